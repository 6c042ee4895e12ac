import VoleryHTTP2Transport
public import VoleryTLSSession
public import VoleryTypes

/// How a server protects its connections, and what it asks of its clients.
///
///     Server(services: [...], credentials: .tls(certificate: .file("tls.crt"), key: .file("tls.key")))
///
///     // Mutual TLS: only clients whose certificate one of these roots has signed.
///     .tls(certificate: ..., key: ..., clients: .required(.file("clients-ca.crt")))
public struct ServerCredentials: Sendable {
  /// Nil: plaintext.
  package let configuration: TLSConfiguration?

  /// Neither protected nor private: for one machine, tests, and where something else (a mesh) has taken care of it.
  public static let plaintext = ServerCredentials(configuration: nil)

  /// TLS 1.2 or 1.3, with HTTP/2 by ALPN.
  ///
  /// Nothing is read here: `Server.start` and `run` read the files, and throw what is wrong with them. Afterwards files are
  /// watched, and what replaces them holds for new connections.
  ///
  /// - Parameters:
  ///   - certificate: The server's own, then those that lead to a root.
  ///   - key: Its private key.
  ///   - password: Of an encrypted key.
  ///   - clients: What is asked of clients; nothing by default.
  public static func tls(
    certificate: TLSSource, key: TLSSource, password: String? = nil, clients: ClientCertificates = .notAsked,
    options: TLSOptions = TLSOptions()
  ) -> ServerCredentials {
    ServerCredentials(
      configuration: TLSConfiguration(
        role: .server, keyPair: TLSKeyPair(certificate: certificate, key: key, password: password),
        peer: clients.check, options: options))
  }
}

/// What a server asks of its clients' certificates.
public struct ClientCertificates: Sendable {
  let check: TLSConfiguration.PeerCheck

  /// Clients show none.
  public static let notAsked = ClientCertificates(check: .init(demand: .notAsked))

  /// Mutual TLS: a client needs a certificate that one of these roots has signed.
  ///
  /// - Parameter accept: Has the last word on a certificate that is good otherwise; what it throws ends the handshake, and
  ///   its text comes into the server's log. Called on an event loop: it must not block.
  public static func required(
    _ roots: TLSRoots, accept: (@Sendable (PeerIdentity) throws -> Void)? = nil
  ) -> ClientCertificates {
    ClientCertificates(check: .init(demand: .required, roots: roots, identity: accept))
  }

  /// A client may do without a certificate; one that it shows has to be good. `ServerContext.identity` tells.
  public static func optional(
    _ roots: TLSRoots, accept: (@Sendable (PeerIdentity) throws -> Void)? = nil
  ) -> ClientCertificates {
    ClientCertificates(check: .init(demand: .optional, roots: roots, identity: accept))
  }
}
