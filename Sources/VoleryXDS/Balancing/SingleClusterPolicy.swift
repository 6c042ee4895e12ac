import VoleryLoadBalancing
import VoleryTypes

/// One cluster: drops (gRFC A27), the limit of its calls (gRFC A32), its priorities and their localities. A group of endpoints
/// that stays keeps its connections, whatever its weight and the others become.
struct SingleClusterPolicy: ParentPolicy {
  private let name: String
  private let context: PolicyContext
  var children = PolicyChildren<String>()
  private var policies: [String: JSONValue] = [:]
  private var targets: [ClusterTargets.Target] = []
  private var choice = PriorityChoice()
  private var entry: ClusterSet.Entry?
  private var configurationError: StatusError?

  init(_ name: String, context: PolicyContext) {
    self.name = name
    self.context = context
  }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    guard let entry = effects.attributes.clusterSet?.entries[name] else { return false }
    self.entry = entry
    configurationError = nil
    targets = ClusterTargets(entry.configuration.parts).targets
    let names = Set(targets.map(\.name))
    for gone in Array(children.keys) where !names.contains(gone) {
      children.remove(gone, &effects)
      policies[gone] = nil
    }
    // Those of a priority that has been begun exist, the new ones among them too.
    let begun = choice.wanted
    for target in targets where children[target.name] != nil || begun.contains(target.priority) {
      give(target, &effects)
    }
    publish(&effects)
    return !targets.isEmpty
  }

  /// A priority has had its time.
  mutating func timerFired(_ token: Int, _ effects: inout PolicyEffects) {
    choice.timeIsUp(token)
    publish(&effects)
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    effects.publish(.transientFailure, FailingPicker(error: error))
  }

  mutating func exitIdle(_ effects: inout PolicyEffects) {
    for name in Array(children.keys) where children[name]?.state == .idle {
      children.with(name) { $0.exitIdle(&effects) }
    }
    heard(&effects)
  }

  // MARK: Parts

  private mutating func give(_ target: ClusterTargets.Target, _ effects: inout PolicyEffects) {
    if policies[target.name] != target.policy {
      do {
        let policy = try context.registry.makeChild(target.policy, of: name, context: context)
        children.add(policy, name: target.name, for: target.name, &effects)
        policies[target.name] = target.policy
      } catch {
        configurationError = StatusError(.unavailable, "xds: the cluster \(XDSResourceError.quote(name)): \(error)")
        return
      }
    }
    children.with(target.name) { _ = $0.update(target.endpoints, &effects) }
  }

  mutating func heard(_ effects: inout PolicyEffects) {
    if !children.takeNews().isEmpty { publish(&effects) }
  }

  private mutating func publish(_ effects: inout PolicyEffects) {
    _ = children.takeNews()
    guard let entry else { return }
    if let failure = entry.configuration.failure ?? configurationError {
      return effects.publish(.transientFailure, FailingPicker(error: failure))
    }
    let count = (targets.map(\.priority).max() ?? -1) + 1
    var chosen: Int?
    // A priority that has just been begun may have failed by now: as often as there are priorities.
    for _ in 0...count {
      for priority in choice.wanted {
        choice.note(priority, targets.filter { $0.priority == priority }.compactMap { children[$0.name]?.state })
      }
      let known = choice.wanted
      chosen = choice.choose(count: count)
      guard let priority = chosen, !known.contains(priority) else { break }
      for target in targets where target.priority == priority { give(target, &effects) }
      _ = children.takeNews()
    }
    for timer in choice.takeTimers() {
      switch timer {
      case .start(let priority): effects.startTimer(token: priority, after: PriorityChoice.failoverDelay)
      case .cancel(let priority): effects.cancelTimer(token: priority)
      }
    }
    let (state, picker) = picker(of: chosen)
    let first = entry.configuration.parts.first
    effects.publish(
      state,
      LimitedPicker(
        child: picker, drops: first?.endpoints.drops ?? [], limit: first?.cluster.maxRequests ?? 1024,
        counter: entry.counter, random: context.random))
  }

  /// Of the localities of a priority: those that are ready, by weight; else those that may become so.
  private func picker(of priority: Int?) -> (ConnectivityState, any Picker) {
    let all = targets.filter { $0.priority == priority }
    for state in [ConnectivityState.ready, .connecting, .idle, .transientFailure] {
      let those = all.compactMap { target in
        children[target.name].flatMap { $0.state == state ? (picker: $0.picker, weight: target.weight) : nil }
      }
      guard let first = those.first else { continue }
      guard those.count > 1 else { return (state, first.picker) }
      return (state, WeightedTargetPicker(those.map(\.picker), weights: those.map(\.weight), seed: context.random()))
    }
    let error =
      configurationError
      ?? StatusError(.unavailable, "xds: the cluster \(XDSResourceError.quote(name)) has no endpoints")
    return (.transientFailure, FailingPicker(error: error))
  }
}
