import VoleryEventLoops
import VoleryHTTP2Transport
public import VoleryTLSSession
public import VoleryTypes

/// How a channel protects its connections, whom it trusts, and who it says that it is.
///
///     Channel("dns:///orders:443", credentials: .tls())
///
///     // Mutual TLS:
///     .tls(roots: .file("ca.crt"), identity: .pair(certificate: .file("me.crt"), key: .file("me.key")))
public struct ChannelCredentials: Sendable {
  /// Nil: plaintext.
  package let configuration: TLSConfiguration?
  let serverName: String?
  var calls: [any CallCredentials] = []
  /// Whether endpoints that bring credentials (`Attributes.endpointCredentials`) are connected to with those. False.
  package var takesEndpointCredentials = false

  package var isSecure: Bool { configuration != nil }

  /// Neither protected nor private: for one machine, tests, and where something else (a mesh) has taken care of it.
  public static let plaintext = ChannelCredentials(configuration: nil, serverName: nil)

  /// TLS 1.2 or 1.3, with HTTP/2 by ALPN.
  ///
  /// Files are read when the channel is made, which throws what is wrong with them. Afterwards they are watched, and what
  /// replaces them holds for new connections.
  ///
  /// - Parameters:
  ///   - roots: Who may have signed the server's certificate; those that the system trusts by default.
  ///   - identity: The client's own certificate and key, for servers that want them.
  ///   - serverName: The name that the server's certificate has to be for, and that is asked for (SNI); nil: the target's.
  ///   - verification: How the server's certificate is checked; `full` by default.
  ///   - accept: Has the last word on a certificate that is good otherwise; what it throws ends the handshake, and its text
  ///     comes into the calls' error. Called on an event loop: it must not block.
  public static func tls(
    roots: TLSRoots = .system, identity: TLSKeyPair? = nil, serverName: String? = nil,
    verification: TLSVerification = .full, accept: (@Sendable (PeerIdentity) throws -> Void)? = nil,
    options: TLSOptions = TLSOptions()
  ) -> ChannelCredentials {
    ChannelCredentials(
      configuration: TLSConfiguration(
        role: .client, keyPair: identity,
        peer: .init(demand: .required, verification: verification, roots: roots, identity: accept), options: options),
      serverName: serverName)
  }

  /// The same, with credentials that go with every call.
  public func with(_ credentials: any CallCredentials) -> ChannelCredentials {
    var result = self
    result.calls.append(credentials)
    return result
  }
}

extension ChannelCredentials {
  /// Makes the TLS of each connection.
  typealias SecurityMaker = @Sendable (_ authority: String, _ address: SocketAddress) throws -> any TransportSecurity

  /// Reads the files, and watches them as long as the result lives; nil for plaintext.
  func makeSecurityMaker(
    on loop: EventLoop, report: @escaping @Sendable (TLSContextSource.Outcome) -> Void
  ) throws(TLSError) -> SecurityMaker? {
    guard let configuration else { return nil }
    let reloader = try TLSReloader(configuration, on: loop, report: report)
    return { [serverName] authority, address in
      let name = CertificateName(authority: serverName ?? authority).host
      // Servers behind one name don't share their tickets' keys as a rule.
      return try TLSSession(reloader.current, serverName: name, sessionKey: "\(name) \(address)")
    }
  }
}
