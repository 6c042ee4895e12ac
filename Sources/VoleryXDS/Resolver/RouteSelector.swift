import VoleryLoadBalancing
import VoleryTypes

/// Chooses the route of each call, and says how that is made: cluster, timeout, retries, hash (gRFC A28, A31, A42, A44).
final class RouteSelector: ConfigSelector {
  private let routes: [RouteTable.Route]
  private let maxStreamDuration: Duration?
  private let faults: [FaultFilter]
  private let sessions: [SessionFilter]
  private let activeFaults: CallCounter
  private let channelHash: UInt64
  private let random: @Sendable () -> UInt64

  /// - Parameter activeFaults: Of the client.
  init(
    _ configuration: XDSConfiguration, channelHash: UInt64, activeFaults: CallCounter,
    random: @escaping @Sendable () -> UInt64
  ) {
    routes = configuration.routes
    faults = configuration.faults
    sessions = configuration.sessions
    self.activeFaults = activeFaults
    maxStreamDuration = configuration.maxStreamDuration
    self.channelHash = channelHash
    self.random = random
  }

  func configuration(of call: ConfigSelectorRequest) throws(StatusError) -> CallConfiguration {
    let path = call.method.path
    guard
      let route = routes.first(where: { route in
        route.match.fits(path, call.metadata) { UInt32(random() % 1_000_000) }
      })
    else { throw StatusError(.unavailable, "xds: no route is for \(path)") }
    guard var cluster = choose(route.clusters) else {
      throw StatusError(.unavailable, "xds: the route for \(path) is one for servers")
    }
    let limit = route.maxStreamDuration ?? maxStreamDuration
    var result = CallConfiguration(
      methodConfig: MethodConfig(timeout: limit.flatMap { $0 > .zero ? $0 : nil }, retryPolicy: route.retryPolicy))
    if !sessions.isEmpty, let session = session(of: call, route, cluster) {
      result.attributes.session = session
      cluster = route.clusters.first { $0.name == session.cluster } ?? cluster
    }
    result.attributes.cluster = cluster.name
    if !faults.isEmpty {
      result.injectedFault = fault(for: call, route.filters.merging(cluster.filters))
    }
    result.hash = hash(route.hashPolicies, call.metadata)
    return result
  }

  /// gRFC A55, A60: its cookie may want another cluster of the route.
  private func session(
    of call: ConfigSelectorRequest, _ route: RouteTable.Route, _ cluster: RouteTable.WeightedCluster
  ) -> SessionCall? {
    let overrides = route.filters.merging(cluster.filters)
    return SessionCall(
      sessions.compactMap { overrides.settings(of: $0) }, path: call.method.path, metadata: call.metadata,
      clusters: route.clusters, chosen: cluster.name)
  }

  private func choose(_ clusters: [RouteTable.WeightedCluster]) -> RouteTable.WeightedCluster? {
    guard clusters.count > 1 else { return clusters.first }
    let sum = clusters.reduce(UInt64(0)) { $0 + UInt64($1.weight) }
    var drawn = random() % sum
    for cluster in clusters {
      if drawn < UInt64(cluster.weight) { return cluster }
      drawn -= UInt64(cluster.weight)
    }
    return clusters.last
  }

  /// Delays add up; the first end is the last word.
  private func fault(for call: ConfigSelectorRequest, _ overrides: FilterOverrides) -> InjectedFault? {
    var delay = Duration.zero
    var failure: StatusError?
    var count = 0
    for filter in faults where failure == nil {
      guard let settings = overrides.settings(of: filter),
        let fault = settings.fault(for: call.metadata, random: { UInt32(random() % 1_000_000) }),
        activeFaults.begin(limit: settings.maxActive ?? .max)
      else { continue }
      count += 1
      delay += fault.delay
      failure = fault.code.map { StatusError($0, "xds: fault injection ends the call, as the control plane wants") }
    }
    guard count > 0 else { return nil }
    return InjectedFault(delay: delay, failure: failure) { [activeFaults, count] in
      for _ in 0..<count { activeFaults.end() }
    }
  }

  private func hash(_ policies: [RouteHashPolicy], _ metadata: Metadata) -> UInt64? {
    var whole: UInt64?
    for policy in policies {
      var found: UInt64?
      switch policy.source {
      case .channel: found = channelHash
      case .header(let name):
        let values = name.hasSuffix("-bin") ? [] : metadata.values(name)
        if !values.isEmpty { found = XXHash64.hash(values.joined(separator: ",")) }
      }
      guard let found else { continue }
      whole = whole.map { ($0 << 1 | $0 >> 63) ^ found } ?? found
      if policy.isTerminal { break }
    }
    // gRFC A42: without one, any server will do.
    return whole ?? (policies.isEmpty ? nil : random())
  }
}
