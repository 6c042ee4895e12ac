import VoleryTypes

/// `random_subsetting_experimental` (gRFC A68) and `deterministic_subsetting`: of many servers a client uses some, so that servers
/// and clients don't all have connections to each other. A filter: what the servers that are left get is the child's to say.
struct SubsettingPolicy: LoadBalancingPolicy {
  private var child: ChildPolicy
  private var subset: Subset

  init(child: any LoadBalancingPolicy, subset: Subset) {
    self.child = ChildPolicy(child, name: "the child of the subsetting")
    self.subset = subset
  }

  var observesCalls: Bool { child.observesCalls }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    let chosen = subset.chosen(of: endpoints)
    return ask(&effects) { $0.update(chosen, &$1) }
  }

  @discardableResult
  private mutating func ask<Result>(
    _ effects: inout PolicyEffects, _ body: (inout ChildPolicy, inout PolicyEffects) -> Result
  ) -> Result {
    defer { child.passOn(&effects) }
    return body(&child, &effects)
  }

  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    ask(&effects) { _ = $0.subchannelChanged(id, to: state, error: error, &$1) }
  }

  mutating func childTimerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) {
    ask(&effects) { _ = $0.timerFired(timer, &$1) }
  }

  mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {
    ask(&effects) { $0.callsEnded(calls, &$1) }
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    ask(&effects) { $0.resolverFailed(error, &$1) }
  }

  mutating func exitIdle(_ effects: inout PolicyEffects) { ask(&effects) { $0.exitIdle(&$1) } }
}
