package import VoleryTLSSession
package import VoleryTypes

/// TLS between socket and HTTP/2.
extension TLSSession: TransportSecurity {
  package var connectionSecurity: ConnectionSecurity? {
    guard let peer else { return nil }
    let identity = peer.certificate.map { PeerIdentity($0, isVerified: peer.isVerified) }
    return ConnectionSecurity(
      version: "\(peer.version)", cipher: peer.cipher, isResumed: peer.isResumed, identity: identity)
  }
}

extension PeerIdentity {
  package init(_ certificate: TLSPeerCertificate, isVerified: Bool) {
    self.init(
      certificate: certificate.der, isVerified: isVerified, subject: certificate.subject, issuer: certificate.issuer,
      commonName: certificate.commonName, serialNumber: certificate.serialNumber, dnsNames: certificate.dnsNames,
      ipAddresses: certificate.ipAddresses, uris: certificate.uris, emailAddresses: certificate.emailAddresses,
      notBefore: certificate.notBefore, notAfter: certificate.notAfter)
  }
}

extension TLSConfiguration.PeerCheck {
  /// - Parameter identity: Has the last word on an identity.
  package init(
    demand: Demand, verification: TLSVerification = .full, roots: TLSRoots,
    identity: (@Sendable (PeerIdentity) throws -> Void)?
  ) {
    var isAccepted: (@Sendable (TLSPeerCertificate) throws -> Void)?
    if let identity {
      isAccepted = { try identity(PeerIdentity($0, isVerified: verification != .none)) }
    }
    self.init(demand: demand, verification: verification, roots: roots, isAccepted: isAccepted)
  }
}
