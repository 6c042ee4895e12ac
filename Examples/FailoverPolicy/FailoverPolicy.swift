import Volery

// Written from "Policies below policies" in Docs/Balancing.md.

/// Servers of the lowest priority (`Endpoint.attributes.priority`) while one of them is ready, else those of the next one. How
/// calls are spread among the servers of one priority is the business of a child policy for each.
///
/// In a service config: `{"loadBalancingConfig": [{"failover": {"childPolicy": [{"round_robin": {}}]}}]}`.
struct FailoverPolicy: LoadBalancingPolicy {
  let makeChild: () throws -> any LoadBalancingPolicy
  private var children = PolicyChildren<UInt32>()
  private var current: UInt32?

  init(makeChild: @escaping () throws -> any LoadBalancingPolicy) { self.makeChild = makeChild }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    let groups = Dictionary(grouping: endpoints) { $0.attributes.priority ?? 0 }
    for priority in Array(children.keys) where groups[priority] == nil { children.remove(priority, &effects) }
    for (priority, group) in groups {
      if children[priority] == nil, let policy = try? makeChild() {
        children.add(policy, name: "priority \(priority)", for: priority, &effects)
      }
      children.with(priority) { _ = $0.update(group, &effects) }
    }
    publish(&effects)
    return !endpoints.isEmpty
  }

  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    _ = children.subchannelChanged(id, to: state, error: error, &effects)
    publish(&effects)
  }

  private mutating func publish(_ effects: inout PolicyEffects) {
    let news = children.takeNews()
    let order = children.keys.sorted()
    let chosen =
      order.first { children[$0]?.state == .ready } ?? order.first { children[$0]?.state == .connecting } ?? order.first
    guard let chosen, let child = children[chosen] else {
      current = nil
      let error = StatusError(.unavailable, "there is no server of any priority")
      return effects.publish(.transientFailure, FailingPicker(error: error))
    }
    guard chosen != current || news.contains(chosen) else { return }
    current = chosen
    effects.publish(child.state, child.picker)
  }

  // What is the children's business goes on to them.

  mutating func childTimerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) {
    _ = children.timerFired(timer, &effects)
    publish(&effects)
  }

  var observesCalls: Bool { children.observesCalls }

  mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {
    children.callsEnded(calls, &effects)
    publish(&effects)
  }

  mutating func exitIdle(_ effects: inout PolicyEffects) {
    children.exitIdle(&effects)
    publish(&effects)
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    // Nothing was ever resolved: there is no child yet.
    effects.publish(.transientFailure, FailingPicker(error: error))
  }
}

struct FailoverPolicyFactory: LoadBalancingPolicyFactory {
  let name = "failover"

  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
    let makeChild = { [name] in
      try context.registry.makeChild(configuration["childPolicy"], of: name, context: context)
    }
    _ = try makeChild()  // A configuration that makes no sense is refused here, and the one before it holds.
    return FailoverPolicy(makeChild: makeChild)
  }
}
