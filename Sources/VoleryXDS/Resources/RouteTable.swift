package import VoleryTypes
import VoleryWellKnownTypes

/// What a client reads of a route configuration: for each name of servers, which call goes to which cluster.
package struct RouteTable: Equatable, Sendable {
  package struct VirtualHost: Equatable, Sendable {
    package let domains: [String]
    package let routes: [Route]
  }

  /// A cluster, and how often it is chosen beside the others of its route.
  package struct WeightedCluster: Equatable, Sendable {
    package let name: String
    package let weight: UInt32
    /// In the place of the route's.
    package let filters: FilterOverrides
  }

  package struct Route: Equatable, Sendable {
    package let match: RouteMatch
    /// Empty: calls that match fail, since the route is one for servers.
    package let clusters: [WeightedCluster]
    /// gRFC A31: the route's own word on timeouts; nil: the listener's counts. Zero: no limit.
    package let maxStreamDuration: Duration?
    package let retryPolicy: RetryPolicy?
    package let hashPolicies: [RouteHashPolicy]
    /// In the place of what the listener says of its filters.
    package let filters: FilterOverrides
  }

  package let virtualHosts: [VirtualHost]

  private static let maxRoutes = 10_000

  init(_ wire: WireRouteConfiguration) throws(XDSResourceError) {
    var hosts: [VirtualHost] = []
    var domains: Set<String> = []
    var count = 0
    for (index, host) in wire.virtualHosts.enumerated() {
      let place = "virtual_hosts[\(index)]"
      for domain in host.domains {
        guard domains.insert(domain).inserted else {
          throw XDSResourceError("\(place).domains", "\(XDSResourceError.quote(domain)) comes twice")
        }
        guard Domain.isPattern(domain) else {
          throw XDSResourceError("\(place).domains", "\(XDSResourceError.quote(domain)) is no pattern of a domain")
        }
      }
      guard !host.domains.isEmpty else { throw XDSResourceError("\(place).domains", "empty") }
      let hostRetries = try RouteTable.retries(host.retryPolicy, "\(place).retry_policy")
      let filters = try XDSResourceError.within(place) { try FilterOverrides(host.typedPerFilterConfig) }
      var routes: [Route] = []
      for (index, route) in host.routes.enumerated() {
        let read = try XDSResourceError.within("\(place).routes[\(index)]") {
          try Route(route, hostRetries, filters)
        }
        if let read { routes.append(read) }
      }
      count += routes.count
      guard count <= RouteTable.maxRoutes else { throw XDSResourceError(place, "over \(RouteTable.maxRoutes) routes") }
      hosts.append(VirtualHost(domains: host.domains, routes: routes))
    }
    virtualHosts = hosts
  }

  /// gRFC A44. Nil: none of the codes is one that gRPC can retry.
  static func retries(_ wire: WireRetryPolicy?, _ place: String) throws(XDSResourceError) -> RetryPolicy? {
    guard let wire else { return nil }
    let known: [String: StatusCode] = [
      "cancelled": .cancelled, "deadline-exceeded": .deadlineExceeded, "internal": .internal,
      "resource-exhausted": .resourceExhausted, "unavailable": .unavailable,
    ]
    let words = wire.retryOn.split { $0 == "," || $0 == " " }.map { $0.lowercased() }
    let codes = Set(words.compactMap { known[$0] })
    let retries = wire.numRetries?.value ?? 1
    guard retries > 0 else { throw XDSResourceError("\(place).num_retries", "must be above 0") }
    var initial = Duration.milliseconds(25)
    var longest = Duration.milliseconds(250)
    if let backoff = wire.retryBackOff {
      guard let interval = backoff.baseInterval, interval.isValid, interval.duration > .zero else {
        throw XDSResourceError("\(place).retry_back_off.base_interval", "must be above 0")
      }
      let base = interval.duration
      initial = base
      longest = backoff.maxInterval?.duration ?? base * 10
      guard longest >= base, backoff.maxInterval?.isValid ?? true else {
        throw XDSResourceError("\(place).retry_back_off.max_interval", "is below the base")
      }
    }
    guard !codes.isEmpty else { return nil }
    return RetryPolicy(
      maxAttempts: min(Int(retries), 4) + 1, initialBackoff: initial, maxBackoff: longest, backoffMultiplier: 2,
      retryableCodes: codes)
  }
}

extension RouteTable.Route {
  /// Nil for routes that clients pass over (gRFC A28): those that look at a query, or take the cluster from a header.
  init?(_ wire: WireRoute, _ hostRetries: RetryPolicy?, _ hostFilters: FilterOverrides) throws(XDSResourceError) {
    guard let match = wire.match else { throw XDSResourceError("match", "missing") }
    guard match.queryParameters.isEmpty else { return nil }
    self.match = try XDSResourceError.within("match") { try RouteMatch(match) }
    filters = hostFilters.merging(try FilterOverrides(wire.typedPerFilterConfig))
    guard case .route(let action)? = wire.action else {
      clusters = []
      maxStreamDuration = nil
      retryPolicy = nil
      hashPolicies = []
      return
    }
    switch action.clusterSpecifier {
    case .cluster(let name)?:
      guard !name.isEmpty else { throw XDSResourceError("route.cluster", "empty") }
      clusters = [RouteTable.WeightedCluster(name: name, weight: 1, filters: FilterOverrides())]
    case .weightedClusters(let weighted)?: clusters = try RouteTable.Route.clusters(weighted)
    case .clusterHeader?, .clusterSpecifierPlugin?, nil: return nil
    }
    let limit = action.maxStreamDuration
    maxStreamDuration = (limit?.grpcTimeoutHeaderMax ?? limit?.maxStreamDuration)?.duration
    guard maxStreamDuration.map({ $0 >= .zero }) ?? true else {
      throw XDSResourceError("route.max_stream_duration", "is below 0")
    }
    retryPolicy = try RouteTable.retries(action.retryPolicy, "route.retry_policy") ?? hostRetries
    hashPolicies = action.hashPolicy.compactMap(RouteHashPolicy.init)
  }

  private static func clusters(_ wire: WireWeightedCluster) throws(XDSResourceError) -> [RouteTable.WeightedCluster] {
    let place = "route.weighted_clusters"
    var sum: UInt64 = 0
    var clusters: [RouteTable.WeightedCluster] = []
    for (index, cluster) in wire.clusters.enumerated() {
      guard !cluster.name.isEmpty else { throw XDSResourceError("\(place).clusters[\(index)].name", "empty") }
      let weight = cluster.weight?.value ?? 0
      sum += UInt64(weight)
      let filters = try XDSResourceError.within("\(place).clusters[\(index)]") {
        try FilterOverrides(cluster.typedPerFilterConfig)
      }
      if weight > 0 {
        clusters.append(RouteTable.WeightedCluster(name: cluster.name, weight: weight, filters: filters))
      }
    }
    guard sum > 0 else { throw XDSResourceError(place, "the sum of the weights is 0") }
    guard sum <= UInt32.max else { throw XDSResourceError(place, "the sum of the weights is above 2^32-1") }
    return clusters
  }
}

/// gRFC A42: what of a call its hash is made of.
package struct RouteHashPolicy: Equatable, Sendable {
  package enum Source: Equatable, Sendable {
    case header(String)
    case channel
  }

  package let source: Source
  /// A hash that has been found is the last word.
  package let isTerminal: Bool

  /// Nil for what gRPC passes over.
  init?(_ wire: WireRouteAction.HashPolicy) {
    switch wire.policySpecifier {
    case .header(let header)? where !header.headerName.isEmpty: source = .header(header.headerName.lowercased())
    case .filterState(let state)? where state.key == "io.grpc.channel_id": source = .channel
    case .header?, .filterState?, nil: return nil
    }
    isTerminal = wire.terminal
  }
}
