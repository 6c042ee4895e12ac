/// The other end of a connection.
public struct Peer: Hashable, Sendable, CustomStringConvertible {
  /// Where the peer is.
  public let address: SocketAddress
  /// This end's own address on the same connection, where it is known.
  public let localAddress: SocketAddress?

  public init(address: SocketAddress, localAddress: SocketAddress? = nil) {
    self.address = address
    self.localAddress = localAddress
  }

  public var description: String { address.description }
}
