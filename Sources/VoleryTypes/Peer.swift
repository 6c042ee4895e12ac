/// The other end of a connection.
public struct Peer: Hashable, Sendable, CustomStringConvertible {
  /// Where the peer is.
  public let address: SocketAddress
  /// This end's own address on the same connection, where it is known.
  public let localAddress: SocketAddress?
  /// Shared: every call has a copy of its peer.
  private let secured: Secured?

  private final class Secured: Hashable, Sendable {
    let security: ConnectionSecurity

    init(_ security: ConnectionSecurity) { self.security = security }

    static func == (left: Secured, right: Secured) -> Bool { left === right || left.security == right.security }
    func hash(into hasher: inout Hasher) { hasher.combine(security) }
  }

  public init(address: SocketAddress, localAddress: SocketAddress? = nil, security: ConnectionSecurity? = nil) {
    self.address = address
    self.localAddress = localAddress
    self.secured = security.map(Secured.init)
  }

  /// What TLS says of the connection; nil without TLS.
  public var security: ConnectionSecurity? { secured?.security }

  /// Who the peer's certificate says that it is; nil without TLS, or without a certificate.
  public var identity: PeerIdentity? { secured?.security.identity }

  /// Without taking a copy of it all.
  package var isSecure: Bool { secured != nil }

  public var description: String { address.description }
}
