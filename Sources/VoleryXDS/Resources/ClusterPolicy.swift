import VoleryProtobuf
import VoleryTypes
import VoleryWellKnownTypes

extension WireCluster {
  var isAggregate: Bool { if case .clusterType? = clusterDiscoveryType { true } else { false } }
}

/// The policy of a cluster: what `load_balancing_policy` says (gRFC A52), or what `lb_policy` does.
struct ClusterPolicy {
  let json: JSONValue
  let localities: ClusterResource.Localities

  private static let prefix = "envoy.extensions.load_balancing_policies."
  private static let maxDepth = 16
  private static let maxRing: UInt64 = 8 << 20

  init(_ wire: WireCluster) throws(XDSResourceError) {
    if let policy = wire.loadBalancingPolicy {
      self = try XDSResourceError.within("load_balancing_policy") { try ClusterPolicy(policy, depth: 0) }
      return
    }
    switch wire.lbPolicy {
    case .roundRobin: self.init("round_robin", localities: .byWeight)
    case .leastRequest:
      self = try ClusterPolicy.leastRequest(wire.leastRequestLbConfig?.choiceCount?.value, "least_request_lb_config")
        .over(.byWeight)
    case .ringHash:
      let config = wire.ringHashLbConfig
      guard config?.hashFunction ?? .xxHash == .xxHash else {
        throw XDSResourceError("ring_hash_lb_config.hash_function", "is not XX_HASH")
      }
      self = try ClusterPolicy.ringHash(
        config?.minimumRingSize?.value, config?.maximumRingSize?.value, "ring_hash_lb_config")
    // An aggregate's own policy is that of the clusters that it stands for.
    case .clusterProvided where wire.isAggregate: self.init("round_robin")
    default: throw XDSResourceError("lb_policy", "\(wire.lbPolicy) is not supported")
    }
  }

  private init(
    _ name: String, _ configuration: [String: JSONValue] = [:], localities: ClusterResource.Localities = .ignored
  ) {
    json = .object([name: .object(configuration)])
    self.localities = localities
  }

  private init(json: JSONValue, localities: ClusterResource.Localities) {
    self.json = json
    self.localities = localities
  }

  private func over(_ localities: ClusterResource.Localities) -> ClusterPolicy {
    ClusterPolicy(json: json, localities: localities)
  }

  private static func leastRequest(_ choices: UInt32?, _ place: String) throws(XDSResourceError) -> ClusterPolicy {
    let count = choices ?? 2
    guard count >= 2 else { throw XDSResourceError("\(place).choice_count", "is below 2") }
    return ClusterPolicy("least_request", ["choiceCount": .number("\(min(count, 10))")])
  }

  private static func ringHash(
    _ smallest: UInt64?, _ largest: UInt64?, _ place: String
  ) throws(XDSResourceError) -> ClusterPolicy {
    let (smallest, largest) = (smallest ?? 1024, largest ?? maxRing)
    guard smallest >= 1, smallest <= largest, largest <= maxRing else {
      throw XDSResourceError(place, "the sizes of the ring must be 1 to \(maxRing), and in order")
    }
    return ClusterPolicy(
      "ring_hash_experimental", ["minRingSize": .number("\(smallest)"), "maxRingSize": .number("\(largest)")],
      localities: .multiplied)
  }

  /// The first that is known counts.
  private init(_ wire: WireLoadBalancingPolicy, depth: Int) throws(XDSResourceError) {
    guard depth < ClusterPolicy.maxDepth else { throw XDSResourceError("policies", "too many below one another") }
    for (index, policy) in wire.policies.enumerated() {
      guard let config = policy.typedExtensionConfig?.typedConfig else { continue }
      let read = try XDSResourceError.within("policies[\(index)]") { try ClusterPolicy.known(config, depth: depth) }
      guard let known = read else { continue }
      self = known
      return
    }
    throw XDSResourceError("policies", "none of them is known")
  }

  private static func known(_ config: Google_Protobuf_Any, depth: Int) throws -> ClusterPolicy? {
    guard config.typeName.hasPrefix(prefix) else { return nil }
    switch config.typeName.dropFirst(prefix.count) {
    case "round_robin.v3.RoundRobin": return ClusterPolicy("round_robin")
    case "least_request.v3.LeastRequest":
      return try leastRequest(try config.unpack(WireLeastRequest.self)?.choiceCount?.value, "least_request")
    case "pick_first.v3.PickFirst":
      let shuffles = try config.unpack(WirePickFirst.self)?.shuffleAddressList ?? false
      return ClusterPolicy("pick_first", ["shuffleAddressList": .bool(shuffles)])
    case "ring_hash.v3.RingHash":
      let ring = try config.unpack(WireRingHash.self)
      switch ring?.hashFunction ?? .defaultHash {
      case .defaultHash, .xxHash: break
      default: throw XDSResourceError("ring_hash.hash_function", "is not XX_HASH")
      }
      return try ringHash(ring?.minimumRingSize?.value, ring?.maximumRingSize?.value, "ring_hash")
    case "client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin":
      guard let wire = try config.unpack(WireClientSideWeightedRoundRobin.self) else { return nil }
      return try weightedRoundRobin(wire)
    case "wrr_locality.v3.WrrLocality":
      guard let inner = try config.unpack(WireWrrLocality.self)?.endpointPickingPolicy else {
        throw XDSResourceError("wrr_locality.endpoint_picking_policy", "missing")
      }
      return try XDSResourceError.within("wrr_locality.endpoint_picking_policy") {
        try ClusterPolicy(inner, depth: depth + 1).over(.byWeight)
      }
    default: return nil
    }
  }

  /// gRFC A58.
  private static func weightedRoundRobin(
    _ wire: WireClientSideWeightedRoundRobin
  ) throws(XDSResourceError) -> ClusterPolicy {
    var members: [String: JSONValue] = [:]
    if let out = wire.enableOobLoadReport { members["enableOobLoadReport"] = .bool(out.value) }
    let times = [
      ("oobReportingPeriod", wire.oobReportingPeriod), ("blackoutPeriod", wire.blackoutPeriod),
      ("weightExpirationPeriod", wire.weightExpirationPeriod), ("weightUpdatePeriod", wire.weightUpdatePeriod),
    ]
    for (name, time) in times {
      guard let time else { continue }
      guard time.seconds >= 0, time.nanos >= 0, let text = TimeText(seconds: time.seconds, nanos: time.nanos).duration
      else { throw XDSResourceError("client_side_weighted_round_robin", "\(name) is out of range") }
      members[name] = .string(text)
    }
    if let penalty = wire.errorUtilizationPenalty?.value {
      guard penalty >= 0, penalty.isFinite else {
        throw XDSResourceError("client_side_weighted_round_robin.error_utilization_penalty", "is below 0")
      }
      members["errorUtilizationPenalty"] = .number("\(penalty)")
    }
    if !wire.metricNamesForComputingUtilization.isEmpty {
      members["metricNamesForComputingUtilization"] = .array(
        wire.metricNamesForComputingUtilization.map(JSONValue.string))
    }
    return ClusterPolicy("weighted_round_robin", members)
  }
}
