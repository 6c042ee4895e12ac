/// The other end of a connection.
public struct Peer: Hashable, Sendable, CustomStringConvertible {
  /// Shared: every call has a copy of its peer.
  private let facts: Facts

  private final class Facts: Hashable, Sendable {
    let address: SocketAddress
    let localAddress: SocketAddress?
    let security: ConnectionSecurity?
    let isSecure: Bool

    init(_ address: SocketAddress, _ localAddress: SocketAddress?, _ security: ConnectionSecurity?) {
      self.address = address
      self.localAddress = localAddress
      self.security = security
      isSecure = security != nil
    }

    static func == (left: Facts, right: Facts) -> Bool {
      left === right
        || (left.address == right.address && left.localAddress == right.localAddress && left.security == right.security)
    }

    func hash(into hasher: inout Hasher) {
      hasher.combine(address)
      hasher.combine(localAddress)
      hasher.combine(security)
    }
  }

  /// A peer that a test makes up; those of calls come from their connections.
  ///
  /// - Parameters:
  ///   - address: Where the peer is.
  ///   - localAddress: This end's own address; nil where it is not known.
  ///   - security: What TLS says of the connection; nil without TLS.
  public init(address: SocketAddress, localAddress: SocketAddress? = nil, security: ConnectionSecurity? = nil) {
    facts = Facts(address, localAddress, security)
  }

  /// Where the peer is.
  public var address: SocketAddress { facts.address }

  /// This end's own address on the same connection, where it is known.
  public var localAddress: SocketAddress? { facts.localAddress }

  /// What TLS says of the connection; nil without TLS.
  public var security: ConnectionSecurity? { facts.security }

  /// Who the peer's certificate says that it is; nil without TLS, or without a certificate.
  public var identity: PeerIdentity? { facts.security?.identity }

  /// Names the connection: the same for all copies of its peer, which a connection makes once, and unlike that of any other
  /// connection as long as there is a copy.
  package var connection: ObjectIdentifier { ObjectIdentifier(facts) }

  /// Without taking a copy of it all.
  package var isSecure: Bool { facts.isSecure }

  /// The peer's address as `SocketAddress` writes it: `10.0.0.1:50051`. Nothing of its certificate.
  public var description: String { address.description }
}
