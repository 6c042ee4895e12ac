import VoleryProtobuf
package import VoleryTypes
import VoleryWellKnownTypes

/// What a client reads of a cluster: where its endpoints are, and how calls are spread over them.
package struct ClusterResource: Equatable, Sendable {
  package enum Kind: Equatable, Sendable {
    /// The name of the endpoints' resource.
    case endpoints(String)
    /// One after the other, the first that works (gRFC A37).
    case aggregate([String])
  }

  package let kind: Kind
  /// The policy over the endpoints of one locality, as a service config names it.
  package let policy: JSONValue
  /// Whether the policy sees all localities at once, each endpoint's weight times its locality's (ring_hash).
  package let spansLocalities: Bool
  /// gRFC A32.
  package let maxRequests: UInt32
  /// gRFC A50, as `outlier_detection`'s configuration without its child; nil: none.
  package let outlierDetection: JSONValue?

  private static let maxAggregated = 100

  init(_ wire: WireCluster) throws(XDSResourceError) {
    kind = try ClusterResource.kind(wire)
    let choice = try ClusterPolicy(wire)
    policy = choice.json
    spansLocalities = choice.spansLocalities
    maxRequests =
      wire.circuitBreakers?.thresholds.first { $0.priority == 0 }?.maxRequests?.value ?? 1024
    outlierDetection = try wire.outlierDetection.map(ClusterResource.outliers) ?? nil
  }

  private static func kind(_ wire: WireCluster) throws(XDSResourceError) -> Kind {
    switch wire.clusterDiscoveryType {
    case .type(.eds)?:
      guard let config = wire.edsClusterConfig else { throw XDSResourceError("eds_cluster_config", "missing") }
      guard let source = config.edsConfig?.configSourceSpecifier, source.isThisStream else {
        throw XDSResourceError("eds_cluster_config.eds_config", "is neither ads nor self")
      }
      return .endpoints(config.serviceName.isEmpty ? wire.name : config.serviceName)
    case .clusterType(let custom)?:
      guard let config = custom.typedConfig else { throw XDSResourceError("cluster_type.typed_config", "missing") }
      do {
        guard let aggregate = try config.unpack(WireClusterConfig.self) else {
          throw XDSResourceError("cluster_type", "\(XDSResourceError.quote(config.typeURL)) is not known")
        }
        guard !aggregate.clusters.isEmpty, aggregate.clusters.count <= maxAggregated else {
          throw XDSResourceError("cluster_type.clusters", "must be 1 to \(maxAggregated)")
        }
        return .aggregate(aggregate.clusters)
      } catch let error as XDSResourceError {
        throw error
      } catch {
        throw XDSResourceError("cluster_type.typed_config", "\(error)")
      }
    case .type(let type)?: throw XDSResourceError("type", "\(type) is not supported: EDS and aggregate clusters are")
    case nil: throw XDSResourceError("type", "is not supported: EDS and aggregate clusters are")
    }
  }

  /// gRFC A50: what a weight of enforcement of 0 switches off is left out.
  private static func outliers(_ wire: WireOutlierDetection) throws(XDSResourceError) -> JSONValue? {
    var members: [String: JSONValue] = [:]
    let times = [
      ("interval", wire.interval), ("baseEjectionTime", wire.baseEjectionTime),
      ("maxEjectionTime", wire.maxEjectionTime),
    ]
    for (name, value) in times {
      guard let value else { continue }
      guard let text = TimeText(seconds: value.seconds, nanos: value.nanos).duration, value.seconds >= 0,
        value.nanos >= 0,
        name != "interval" || value.seconds > 0 || value.nanos > 0
      else { throw XDSResourceError("outlier_detection", "\(name) is out of range") }
      members[name] = .string(text)
    }
    let percentages = [
      wire.maxEjectionPercent, wire.enforcingSuccessRate, wire.failurePercentageThreshold,
      wire.enforcingFailurePercentage,
    ]
    guard percentages.allSatisfy({ $0?.value ?? 0 <= 100 }) else {
      throw XDSResourceError("outlier_detection", "a percentage is above 100")
    }
    func number(_ value: UInt32) -> JSONValue { .number("\(value)") }
    if let percent = wire.maxEjectionPercent?.value { members["maxEjectionPercent"] = number(percent) }
    let enforcing = wire.enforcingSuccessRate?.value ?? 100
    if enforcing > 0 {
      members["successRateEjection"] = .object([
        "stdevFactor": number(wire.successRateStdevFactor?.value ?? 1900), "enforcementPercentage": number(enforcing),
        "minimumHosts": number(wire.successRateMinimumHosts?.value ?? 5),
        "requestVolume": number(wire.successRateRequestVolume?.value ?? 100),
      ])
    }
    let enforcingFailures = wire.enforcingFailurePercentage?.value ?? 0
    if enforcingFailures > 0 {
      members["failurePercentageEjection"] = .object([
        "threshold": number(wire.failurePercentageThreshold?.value ?? 85),
        "enforcementPercentage": number(enforcingFailures),
        "minimumHosts": number(wire.failurePercentageMinimumHosts?.value ?? 5),
        "requestVolume": number(wire.failurePercentageRequestVolume?.value ?? 50),
      ])
    }
    return enforcing > 0 || enforcingFailures > 0 ? .object(members) : nil
  }
}

/// The policy of a cluster: what `load_balancing_policy` says (gRFC A52), or what `lb_policy` does.
struct ClusterPolicy {
  let json: JSONValue
  let spansLocalities: Bool

  private static let prefix = "envoy.extensions.load_balancing_policies."
  private static let maxDepth = 16

  init(_ wire: WireCluster) throws(XDSResourceError) {
    if let policy = wire.loadBalancingPolicy {
      do throws(XDSResourceError) { self = try ClusterPolicy(policy, depth: 0) } catch {
        throw error.within("load_balancing_policy")
      }
      return
    }
    switch wire.lbPolicy {
    case .roundRobin: self.init("round_robin")
    case .leastRequest:
      let count = wire.leastRequestLbConfig?.choiceCount?.value ?? 2
      guard count >= 2 else { throw XDSResourceError("least_request_lb_config.choice_count", "is below 2") }
      self.init("least_request", ["choiceCount": .number("\(min(count, 10))")])
    case .ringHash:
      let config = wire.ringHashLbConfig
      guard config?.hashFunction ?? .xxHash == .xxHash else {
        throw XDSResourceError("ring_hash_lb_config.hash_function", "is not XX_HASH")
      }
      let smallest = config?.minimumRingSize?.value ?? 1024
      let largest = config?.maximumRingSize?.value ?? 8 << 20
      guard smallest >= 1, smallest <= largest, largest <= 8 << 20 else {
        throw XDSResourceError("ring_hash_lb_config", "the sizes of the ring must be 1 to 8388608, and in order")
      }
      self.init(
        "ring_hash_experimental", ["minRingSize": .number("\(smallest)"), "maxRingSize": .number("\(largest)")],
        spansLocalities: true)
    default: throw XDSResourceError("lb_policy", "\(wire.lbPolicy) is not supported")
    }
  }

  private init(_ name: String, _ configuration: [String: JSONValue] = [:], spansLocalities: Bool = false) {
    json = .object([name: .object(configuration)])
    self.spansLocalities = spansLocalities
  }

  /// The first that is known counts.
  private init(_ wire: WireLoadBalancingPolicy, depth: Int) throws(XDSResourceError) {
    guard depth < ClusterPolicy.maxDepth else { throw XDSResourceError("policies", "too many below one another") }
    for policy in wire.policies {
      guard let config = policy.typedExtensionConfig?.typedConfig else { continue }
      switch config.typeName.dropFirst(ClusterPolicy.prefix.count) {
      case "round_robin.v3.RoundRobin":
        self.init("round_robin")
        return
      case "least_request.v3.LeastRequest":
        self.init("least_request")
        return
      case "pick_first.v3.PickFirst":
        self.init("pick_first")
        return
      case "ring_hash.v3.RingHash":
        self.init("ring_hash_experimental", spansLocalities: true)
        return
      case "wrr_locality.v3.WrrLocality":
        let wrr: WireWrrLocality?
        do { wrr = try config.unpack() } catch { throw XDSResourceError("policies", "\(error)") }
        guard let inner = wrr?.endpointPickingPolicy else {
          throw XDSResourceError("endpoint_picking_policy", "missing")
        }
        self = try ClusterPolicy(inner, depth: depth + 1)
        return
      default: continue
      }
    }
    throw XDSResourceError("policies", "none of them is known")
  }
}
