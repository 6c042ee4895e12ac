import VoleryPlatform
package import VoleryTypes
import VoleryWellKnownTypes

/// What a client reads of a cluster's endpoints: groups of servers by place and priority, and how many calls are dropped.
package struct EndpointsResource: Equatable, Sendable {
  package struct Locality: Equatable, Sendable {
    /// `region:zone:sub zone`.
    package let name: String
    package let place: XDSLocality
    package let weight: UInt32
    package let priority: Int
    package let endpoints: [Endpoint]
    /// They get no calls but those of their sessions (gRFC A55).
    package var draining: [Endpoint] = []
  }

  /// A share of the calls that is to fail at once.
  package struct Drop: Equatable, Sendable {
    package let category: String
    package let perMillion: UInt32
  }

  package let localities: [Locality]
  package let drops: [Drop]

  /// The addresses of a host (gRFC A37): one server, in no locality.
  package init(addresses: [SocketAddress]) {
    let endpoints = addresses.isEmpty ? [] : [Endpoint(addresses)]
    localities = [Locality(name: "", place: XDSLocality(), weight: 1, priority: 0, endpoints: endpoints)]
    drops = []
  }

  package static let maxEndpoints = 10_000
  private static let maxLocalities = 1000

  init(_ wire: WireClusterLoadAssignment) throws(XDSResourceError) {
    guard wire.endpoints.count <= EndpointsResource.maxLocalities else {
      throw XDSResourceError("endpoints", "over \(EndpointsResource.maxLocalities) localities")
    }
    var localities: [Locality] = []
    var names: Set<String> = []
    var sums: [Int: UInt64] = [:]
    var addresses: Set<SocketAddress> = []
    for (index, group) in wire.endpoints.enumerated() {
      // gRFC A27: a locality without a weight is none.
      guard let weight = group.loadBalancingWeight?.value, weight > 0 else { continue }
      let place = "endpoints[\(index)]"
      guard let wireLocality = group.locality else { throw XDSResourceError("\(place).locality", "missing") }
      let priority = Int(group.priority)
      guard priority < 128 else { throw XDSResourceError("\(place).priority", "is above 127") }
      let parts = [wireLocality.region, wireLocality.zone, wireLocality.subZone]
      let name = parts.map { $0.replacing("/", with: "|") }.joined(separator: ":")
      guard names.insert("\(priority) \(name)").inserted else {
        throw XDSResourceError("\(place).locality", "\(XDSResourceError.quote(name)) comes twice in its priority")
      }
      sums[priority, default: 0] += UInt64(weight)
      var endpoints: [Endpoint] = []
      var draining: [Endpoint] = []
      var attributes = Attributes()
      if !wireLocality.zone.isEmpty { attributes.zone = wireLocality.zone }
      for (index, endpoint) in group.lbEndpoints.enumerated() {
        let read = try XDSResourceError.within("\(place).lb_endpoints[\(index)]") {
          let read = try EndpointsResource.endpoint(endpoint, &attributes)
          for address in read?.addresses ?? [] where !addresses.insert(address).inserted {
            throw XDSResourceError("endpoint.address", "\(address) comes twice")
          }
          return read
        }
        guard let read else { continue }
        if read.attributes.health == .draining { draining.append(read) } else { endpoints.append(read) }
      }
      localities.append(
        Locality(
          name: name,
          place: XDSLocality(region: wireLocality.region, zone: wireLocality.zone, subZone: wireLocality.subZone),
          weight: weight, priority: priority, endpoints: endpoints, draining: draining))
    }
    guard addresses.count <= EndpointsResource.maxEndpoints else {
      throw XDSResourceError("endpoints", "over \(EndpointsResource.maxEndpoints) addresses")
    }
    for priority in 0..<sums.count {
      guard let sum = sums[priority] else {
        throw XDSResourceError("endpoints", "there is no locality of the priority \(priority), but of a later one")
      }
      guard sum <= UInt32.max else {
        throw XDSResourceError("endpoints", "the weights of the priority \(priority) add up to over 2^32-1")
      }
    }
    self.localities = localities
    var drops: [Drop] = []
    for drop in wire.policy?.dropOverloads ?? [] {
      let share = try drop.dropPercentage?.perMillion("policy.drop_overloads.drop_percentage") ?? 0
      if share > 0 { drops.append(Drop(category: drop.category, perMillion: share)) }
    }
    self.drops = drops
  }

  /// Nil for one that is not there for us: neither UNKNOWN nor HEALTHY nor DRAINING.
  ///
  /// - Parameter attributes: Those of the one before, which are shared by all that have the same.
  private static func endpoint(
    _ wire: WireLbEndpoint, _ attributes: inout Attributes
  ) throws(XDSResourceError) -> Endpoint? {
    guard let health = EndpointHealth(rawValue: wire.healthStatus) else { return nil }
    guard case .endpoint(let endpoint)? = wire.hostIdentifier else { throw XDSResourceError("endpoint", "missing") }
    var addresses = [try address(endpoint.address, "endpoint.address")]
    for additional in endpoint.additionalAddresses {
      addresses.append(try address(additional.address, "endpoint.additional_addresses"))
    }
    let weight = wire.loadBalancingWeight?.value ?? 1
    guard weight > 0 else { throw XDSResourceError("load_balancing_weight", "is 0") }
    if attributes.weight != weight { attributes.weight = weight }
    if attributes.health != health { attributes.health = health }
    return Endpoint(addresses, attributes: attributes)
  }

  private static func address(_ wire: WireAddress?, _ field: String) throws(XDSResourceError) -> SocketAddress {
    guard case .socketAddress(let socket)? = wire?.address else {
      throw XDSResourceError(field, "has no socket_address")
    }
    guard AddressLiteral.isAddress(socket.address) else {
      throw XDSResourceError(
        "\(field).socket_address.address", "\(XDSResourceError.quote(socket.address)) is no IP address")
    }
    guard case .portValue(let port)? = socket.portSpecifier, port > 0, port <= 65535 else {
      throw XDSResourceError("\(field).socket_address.port_value", "is not 1 to 65535")
    }
    return .tcp(socket.address, Int(port))
  }
}
