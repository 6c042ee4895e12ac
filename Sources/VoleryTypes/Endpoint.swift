/// One logical server: what a load balancing policy spreads calls over. It may have several addresses (gRFC A61), for
/// example an IPv4 and an IPv6 one, of which one connection uses one.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
  public var addresses: [SocketAddress]
  public var attributes: Attributes

  public init(_ addresses: [SocketAddress], attributes: Attributes = Attributes()) {
    self.addresses = addresses
    self.attributes = attributes
  }

  public init(_ address: SocketAddress, attributes: Attributes = Attributes()) {
    self.init([address], attributes: attributes)
  }

  /// What a resolver knows about an endpoint besides its addresses.
  public typealias Attributes = VoleryTypes.Attributes

  public var description: String {
    addresses.count == 1 ? "\(addresses[0])" : "[\(addresses.map(\.description).joined(separator: ", "))]"
  }
}
