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
  public struct Attributes: Hashable, Sendable {
    /// Relative share of calls wanted; nil counts as 1.
    public var weight: UInt32?
    /// Lower is tried first (SRV records).
    public var priority: UInt32?
    /// The availability zone, as the platform names it.
    public var zone: String?
    /// The name to check the server's certificate against, where it is not the channel's authority.
    public var serverName: String?
    /// Anything else, for resolvers and policies of your own.
    public var custom: [String: String] = [:]

    public init() {}
  }

  public var description: String {
    addresses.count == 1 ? "\(addresses[0])" : "[\(addresses.map(\.description).joined(separator: ", "))]"
  }
}
