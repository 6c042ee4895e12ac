import VoleryLoadBalancing
import VoleryTypes

/// `xds_cluster_impl_experimental`: what holds for the calls to one cluster, whatever spreads them below: some are dropped (gRFC
/// A27), no more run at once than its circuit breaker allows (gRFC A32), and they are counted for load reports (gRFC A64).
struct ClusterImplPolicy: ParentPolicy {
  static let name = "xds_cluster_impl_experimental"

  private var configuration: ClusterImplConfiguration
  private let context: PolicyContext
  /// Until it becomes the child.
  private var first: (any LoadBalancingPolicy)?
  var children = PolicyChildren<Int>()
  private var counts: (calls: CallCounter, load: ClusterLoad?)?

  init(_ configuration: ClusterImplConfiguration, child: any LoadBalancingPolicy, context: PolicyContext) {
    self.configuration = configuration
    self.context = context
    first = child
  }

  mutating func adopt(_ fresh: any LoadBalancingPolicy) -> Bool {
    guard let fresh = fresh as? ClusterImplPolicy, fresh.configuration.key == configuration.key,
      let child = fresh.first
    else { return false }
    if children.isEmpty {
      first = child
    } else if children.with(0, { $0.adopt(child) }) != true {
      return false
    }
    if fresh.configuration != configuration { counts = nil }
    configuration = fresh.configuration
    return true
  }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    if let first = first.take(), children.isEmpty {
      children.add(first, name: "the cluster \(configuration.key.cluster)'s policy", for: 0, &effects)
    }
    let isNew = counts == nil
    if isNew {
      let accounts = effects.attributes.clusterSet?.accounts ?? ClusterAccounts()
      counts = (
        accounts.counter(of: configuration.key),
        configuration.reportedMetrics.map { accounts.load(of: configuration.key, $0) }
      )
    }
    let isUsable = children.with(0) { $0.update(endpoints, &effects) } ?? false
    if !children.takeNews().isEmpty || isNew { publish(&effects) }
    return isUsable
  }

  mutating func heard(_ effects: inout PolicyEffects) { if !children.takeNews().isEmpty { publish(&effects) } }

  private func publish(_ effects: inout PolicyEffects) {
    guard let child = children[0], let counts else { return }
    effects.publish(
      child.state,
      ClusterImplPicker(
        child: child.picker, drops: configuration.drops, limit: configuration.maxRequests, calls: counts.calls,
        load: counts.load, random: context.random))
  }
}

/// Drops, limits, counts, and asks the child.
struct ClusterImplPicker: Picker {
  let child: any Picker
  let drops: [EndpointsResource.Drop]
  let limit: UInt32
  let calls: CallCounter
  let load: ClusterLoad?
  let random: @Sendable () -> UInt64

  func pick(for call: PickRequest) -> PickResult {
    for drop in drops where random() % 1_000_000 < UInt64(drop.perMillion) {
      load?.dropped(drop.category)
      return .drop(
        StatusError(.unavailable, "xds: dropped, as the control plane wants (\(XDSResourceError.quote(drop.category)))")
      )
    }
    let result = child.pick(for: call)
    var pick: Pick
    switch result {
    case .pick(let subchannel): pick = Pick(subchannel)
    case .attempt(let attempt): pick = attempt
    case .queue, .fail, .drop: return result
    }
    guard calls.begin(limit: limit) else {
      result.discard()
      load?.dropped(nil)
      return .drop(
        StatusError(.unavailable, "xds: the cluster has \(limit) calls, as many as its circuit breaker allows"))
    }
    let locality = load?.locality(pick.subchannel.endpoint.attributes.locality)
    locality?.started()
    let ended = pick.ended
    pick.ended = { [calls] end in
      calls.end()
      locality?.ended(end)
      ended?(end)
    }
    return .attempt(pick)
  }
}

/// Makes the policy of this name; it stands in the configurations that clusters are made of.
struct ClusterImplFactory: LoadBalancingPolicyFactory {
  let name = ClusterImplPolicy.name

  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
    let reader = ConfigReader(configuration, at: name)
    do {
      let read = try ClusterImplConfiguration(reader)
      let child = try context.registry.makeChild(configuration["childPolicy"], of: name, context: context)
      return ClusterImplPolicy(read, child: child, context: context)
    } catch let error as ServiceConfigError {
      throw PolicyConfigurationError("\(error)")
    }
  }
}
