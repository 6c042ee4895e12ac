import VoleryPlatform
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
    /// `host:port`: all of its addresses are one server's.
    case host(String)
  }

  /// How the localities of a priority share its calls.
  package enum Localities: Equatable, Sendable {
    /// As their weights say; within each the policy sees to its own endpoints.
    case byWeight
    /// The policy sees all endpoints at once, each one's weight times its locality's (ring_hash).
    case multiplied
    /// The policy sees all endpoints at once; localities count for nothing.
    case ignored
  }

  package let kind: Kind
  /// The policy over the endpoints of one locality, as a service config names it.
  package let policy: JSONValue
  package let localities: Localities
  /// gRFC A32.
  package let maxRequests: UInt32
  /// gRFC A50, as `outlier_detection`'s configuration without its child; nil: none.
  package let outlierDetection: JSONValue?
  /// What of its load is reported (gRFC A64, A85); nil: nothing.
  package let reportedMetrics: ReportedMetrics?
  /// gRFC A55: in which states servers keep their sessions.
  package let keepsSessions: Set<EndpointHealth>
  /// gRFC A29; nil: nothing is said.
  package let security: ClusterSecurity?

  /// By which its endpoints are asked for, where that is another name; empty where it is not.
  package var serviceName: String { if case .endpoints(let name) = kind, name != self.name { name } else { "" } }
  /// `host:port` of a cluster that is looked up.
  package var host: String? { if case .host(let host) = kind { host } else { nil } }

  private let name: String
  private static let maxAggregated = 100

  init(_ wire: WireCluster, _ context: ReadContext) throws(XDSResourceError) {
    name = wire.name
    kind = try ClusterResource.kind(wire)
    let choice = try ClusterPolicy(wire)
    policy = choice.json
    localities = choice.localities
    maxRequests =
      wire.circuitBreakers?.thresholds.first { $0.priority == 0 }?.maxRequests?.value ?? 1024
    outlierDetection = try wire.outlierDetection.map(ClusterResource.outliers) ?? nil
    let states = wire.commonLbConfig?.overrideHostStatus?.statuses.compactMap(EndpointHealth.init)
    keepsSessions = states.map { Set($0) } ?? EndpointHealth.keepsSessions
    security = try ClusterSecurity(wire.transportSocket, context)
    if let server = wire.lrsServer {
      guard case .self_p? = server.configSourceSpecifier else { throw XDSResourceError("lrs_server", "is not self") }
      reportedMetrics = ReportedMetrics(wire.lrsReportEndpointMetrics)
    } else {
      reportedMetrics = nil
    }
  }

  private static func kind(_ wire: WireCluster) throws(XDSResourceError) -> Kind {
    switch wire.clusterDiscoveryType {
    case .type(.eds)?:
      guard let config = wire.edsClusterConfig else { throw XDSResourceError("eds_cluster_config", "missing") }
      guard let source = config.edsConfig?.configSourceSpecifier, source.isThisStream else {
        throw XDSResourceError("eds_cluster_config.eds_config", "is neither ads nor self")
      }
      // gRFC A47: endpoints that are asked for by the cluster's name would have a name of another type.
      guard !config.serviceName.isEmpty || ResourceName.authority(of: wire.name) == nil else {
        throw XDSResourceError("eds_cluster_config.service_name", "is empty, and the cluster's name begins with xdstp:")
      }
      return .endpoints(config.serviceName.isEmpty ? wire.name : config.serviceName)
    case .clusterType(let custom)?:
      guard let config = custom.typedConfig else { throw XDSResourceError("cluster_type.typed_config", "missing") }
      return try XDSResourceError.within("cluster_type") {
        guard let aggregate = try config.unpack(WireClusterConfig.self) else {
          throw XDSResourceError("typed_config", "\(XDSResourceError.quote(config.typeURL)) is not known")
        }
        guard !aggregate.clusters.isEmpty, aggregate.clusters.count <= maxAggregated else {
          throw XDSResourceError("clusters", "must be 1 to \(maxAggregated)")
        }
        return .aggregate(aggregate.clusters)
      }
    case .type(.logicalDns)?: return .host(try host(wire.loadAssignment))
    case .type(let type)?:
      throw XDSResourceError("type", "\(type) is not supported: EDS, LOGICAL_DNS and aggregate clusters are")
    case nil: throw XDSResourceError("type", "is not supported: EDS, LOGICAL_DNS and aggregate clusters are")
    }
  }

  /// gRFC A37: the one endpoint of the one locality.
  private static func host(_ wire: WireClusterLoadAssignment?) throws(XDSResourceError) -> String {
    guard let wire else { throw XDSResourceError("load_assignment", "missing") }
    guard wire.endpoints.count == 1, wire.endpoints[0].lbEndpoints.count == 1 else {
      throw XDSResourceError("load_assignment", "has not one locality with one endpoint")
    }
    let place = "load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address"
    guard case .endpoint(let endpoint)? = wire.endpoints[0].lbEndpoints[0].hostIdentifier,
      case .socketAddress(let address)? = endpoint.address?.address
    else { throw XDSResourceError(place, "missing") }
    guard address.resolverName.isEmpty else { throw XDSResourceError("\(place).resolver_name", "is not supported") }
    guard !address.address.isEmpty, address.address.utf8.count <= 255 else {
      throw XDSResourceError("\(place).address", "is not 1 to 255 bytes long")
    }
    guard case .portValue(let port)? = address.portSpecifier, port > 0, port <= 65535 else {
      throw XDSResourceError("\(place).port_value", "is not 1 to 65535")
    }
    return AddressLiteral.text(host: address.address, port: Int(port))
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
