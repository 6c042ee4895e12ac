/// One logical server: what a load balancing policy spreads calls over. It may have several addresses (gRFC A61), for
/// example an IPv4 and an IPv6 one, of which one connection uses one.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
  /// Ways to the one server, the first to be tried first. A resolver gives one at least; policies leave out an endpoint
  /// without any.
  public var addresses: [SocketAddress]
  /// What the resolver knows of the server: its weight, zone, priority, and keys of your own. Empty by default.
  public var attributes: Attributes

  /// A server with several addresses; what policies count is the server, not its addresses.
  public init(_ addresses: [SocketAddress], attributes: Attributes = Attributes()) {
    self.addresses = addresses
    self.attributes = attributes
  }

  /// A server with one address.
  public init(_ address: SocketAddress, attributes: Attributes = Attributes()) {
    self.init([address], attributes: attributes)
  }

  /// What a resolver knows about an endpoint besides its addresses.
  public typealias Attributes = VoleryTypes.Attributes

  /// The address as `SocketAddress` writes it; several in brackets: `[10.0.0.1:80, [::1]:80]`. Attributes are left out.
  public var description: String {
    addresses.count == 1 ? "\(addresses[0])" : "[\(addresses.map(\.description).joined(separator: ", "))]"
  }
}
