import VoleryTypes

/// `random_subsetting_experimental` (gRFC A68) and `deterministic_subsetting`: of many servers a client uses some, so that servers
/// and clients don't all have connections to each other. A filter: what the servers that are left get is the child's to say.
struct SubsettingPolicy: WrappingPolicy {
  var child: ChildPolicy
  private var subset: Subset

  init(child: any LoadBalancingPolicy, subset: Subset) {
    self.child = ChildPolicy(child, name: "the child of the subsetting")
    self.subset = subset
  }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    let chosen = subset.chosen(of: endpoints)
    return ask(&effects) { $0.update(chosen, &$1) }
  }
}
