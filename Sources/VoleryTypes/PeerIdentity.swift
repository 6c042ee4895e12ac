/// What a peer's certificate says about it. The certificate was checked as the credentials ask (`isVerified`); its names are
/// then what its issuer vouches for.
public struct PeerIdentity: Hashable, Sendable {
  /// The certificate itself, in DER.
  public var certificate: [UInt8]
  /// Signed by one of this side's roots; false only where the credentials switch that check off.
  public var isVerified: Bool
  /// As RFC 2253 writes it: `CN=orders,O=Example`.
  public var subject: String
  /// The name of who signed the certificate, in the same form.
  public var issuer: String
  /// The subject's first CN; nil where it has none. Names are checked by the alternative names below, never by this one.
  public var commonName: String?
  /// Hexadecimal.
  public var serialNumber: String
  // Subject alternative names:
  /// Names of hosts, as the certificate has them: `*.example.com` with its asterisk. Empty where there are none.
  public var dnsNames: [String]
  /// IPv4 and IPv6 addresses as text: `10.0.0.1`, `2001:db8::1`. Empty where there are none.
  public var ipAddresses: [String]
  /// URIs as the certificate has them, SPIFFE IDs among them. Empty where there are none.
  public var uris: [String]
  /// Mail addresses as the certificate has them. Empty where there are none.
  public var emailAddresses: [String]
  /// Valid from and to, in seconds since 1970.
  public var notBefore: Int64
  /// The last second at which the certificate is valid.
  public var notAfter: Int64

  /// `spiffe://trust-domain/path`: the one URI of a certificate that is a SPIFFE ID (X.509-SVID, section 2); nil where
  /// there is none, or several URIs.
  public var spiffeID: String? {
    guard uris.count == 1, uris[0].hasPrefix("spiffe://"), uris[0].utf8.count <= 2048 else { return nil }
    return uris[0]
  }

  /// An identity that a test makes up; those of connections are read from their certificates.
  public init(
    certificate: [UInt8], isVerified: Bool, subject: String, issuer: String, commonName: String? = nil,
    serialNumber: String = "", dnsNames: [String] = [], ipAddresses: [String] = [], uris: [String] = [],
    emailAddresses: [String] = [], notBefore: Int64 = 0, notAfter: Int64 = 0
  ) {
    self.certificate = certificate
    self.isVerified = isVerified
    self.subject = subject
    self.issuer = issuer
    self.commonName = commonName
    self.serialNumber = serialNumber
    self.dnsNames = dnsNames
    self.ipAddresses = ipAddresses
    self.uris = uris
    self.emailAddresses = emailAddresses
    self.notBefore = notBefore
    self.notAfter = notAfter
  }
}

/// How TLS protects a connection, and who is at its other end.
public struct ConnectionSecurity: Hashable, Sendable {
  /// `TLS 1.3`.
  public var version: String
  /// As IANA names it: `TLS_AES_128_GCM_SHA256`.
  public var cipher: String
  /// Whether the handshake took up an earlier session, whose certificates were checked then.
  public var isResumed: Bool
  /// Nil: the peer showed no certificate.
  public var identity: PeerIdentity?

  /// What a test makes up; that of a connection comes from its handshake.
  public init(version: String, cipher: String, isResumed: Bool, identity: PeerIdentity?) {
    self.version = version
    self.cipher = cipher
    self.isResumed = isResumed
    self.identity = identity
  }
}
