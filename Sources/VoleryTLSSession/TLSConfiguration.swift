/// All that a side of TLS is made from. A value without any C: `TLSContext` is made of it.
package struct TLSConfiguration: Sendable {
  package enum Role: Hashable, Sendable { case client, server }

  /// What is asked of the peer.
  package struct PeerCheck: Sendable {
    package enum Demand: Hashable, Sendable {
      /// A server that does not ask its clients for certificates.
      case notAsked
      /// A server that checks a client's certificate where it has one.
      case optional
      /// Every client; a server with mutual TLS.
      case required
    }

    package var demand: Demand
    package var verification: TLSVerification
    package var roots: TLSRoots
    /// Has the last word, once everything else holds; what it throws ends the handshake. Runs inside the handshake, on
    /// the connection's loop: it must not block. Runs for resumed sessions too.
    package var isAccepted: (@Sendable (TLSPeerCertificate) throws -> Void)?

    package init(
      demand: Demand, verification: TLSVerification = .full, roots: TLSRoots = .system,
      isAccepted: (@Sendable (TLSPeerCertificate) throws -> Void)? = nil
    ) {
      self.demand = demand
      self.verification = verification
      self.roots = roots
      self.isAccepted = isAccepted
    }
  }

  package var role: Role
  package var keyPair: TLSKeyPair?
  package var peer: PeerCheck
  /// The one protocol above TLS (RFC 7301); the handshake fails without it.
  package var applicationProtocol: String
  package var options: TLSOptions

  package init(
    role: Role, keyPair: TLSKeyPair?, peer: PeerCheck, applicationProtocol: String = "h2",
    options: TLSOptions = TLSOptions()
  ) {
    self.role = role
    self.keyPair = keyPair
    self.peer = peer
    self.applicationProtocol = applicationProtocol
    self.options = options
  }

  /// Every file that it is made from.
  package var paths: [String] {
    let sources = [keyPair?.certificate, keyPair?.key].compactMap { $0 } + peer.roots.sources
    return sources.compactMap(\.path)
  }
}

/// A certificate of a peer, read.
package struct TLSPeerCertificate: Hashable, Sendable {
  package var der: [UInt8] = []
  /// As RFC 2253 writes it: `CN=orders,O=Example`.
  package var subject = ""
  package var issuer = ""
  package var commonName: String?
  /// Hexadecimal.
  package var serialNumber = ""
  package var dnsNames: [String] = []
  package var ipAddresses: [String] = []
  package var uris: [String] = []
  package var emailAddresses: [String] = []
  /// Seconds since 1970.
  package var notBefore: Int64 = 0
  package var notAfter: Int64 = 0

  package init() {}
}

/// What is known once a handshake is over.
package struct TLSPeerInformation: Sendable {
  /// "TLS 1.3".
  package var version: TLSVersion
  /// As IANA names it: `TLS_AES_128_GCM_SHA256`.
  package var cipher: String
  package var isResumed: Bool
  /// Nil: the peer showed none.
  package var certificate: TLSPeerCertificate?
  /// Whether the certificate was checked against roots.
  package var isVerified: Bool
}
