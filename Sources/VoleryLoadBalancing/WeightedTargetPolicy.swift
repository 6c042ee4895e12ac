import VoleryTypes

/// gRFC A28's configuration of `weighted_target_experimental`, as a service config has it.
struct WeightedTargetConfiguration: Hashable {
  struct Target: Hashable {
    /// Above 0: a target without weight is none.
    let weight: UInt32
    let policy: ChildConfiguration
  }

  let targets: [String: Target]

  /// More than any real control plane has.
  private static let maxTargets = 1000

  init(_ reader: ConfigReader, name: String, context: PolicyContext) throws {
    var targets: [String: Target] = [:]
    var sum: UInt64 = 0
    for (key, target) in try reader.members("targets", atMost: WeightedTargetConfiguration.maxTargets) {
      let weight = UInt32(try target.required("weight", ConfigReader.count))
      let policy = try ChildConfiguration(target.childPolicies, of: "\(name)'s target \"\(key)\"", context: context)
      sum += UInt64(weight)
      if weight > 0 { targets[key] = Target(weight: weight, policy: policy) }
    }
    guard sum <= UInt32.max else { throw reader.error("targets", "have weights whose sum is above 2^32-1") }
    self.targets = targets
  }
}

/// `weighted_target_experimental` (gRFC A28): children with names and weights; each call goes to a ready one at random, as often as
/// its weight says. A target that is taken from the configuration is given up at once, with its connections.
struct WeightedTargetPolicy: ParentPolicy {
  private let context: PolicyContext
  private var configuration: WeightedTargetConfiguration
  var children = PolicyChildren<String>()
  /// From a failure until it is ready again.
  private var failing: Set<String> = []

  init(_ configuration: WeightedTargetConfiguration, context: PolicyContext) {
    self.configuration = configuration
    self.context = context
  }

  mutating func adopt(_ fresh: any LoadBalancingPolicy) -> Bool {
    guard let fresh = fresh as? WeightedTargetPolicy else { return false }
    configuration = fresh.configuration
    return true
  }

  // MARK: What happens

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    let groups = endpoints.groupedByChild()
    for name in Set(children.keys).subtracting(configuration.targets.keys) {
      children.remove(name, &effects)
      failing.remove(name)
    }
    for (name, target) in configuration.targets.sorted(by: { $0.key < $1.key }) {
      let policy = ReconfigurablePolicy(target.policy, context: context)
      if children[name] == nil { children.add(policy, name: name, for: name, &effects) }
      children.with(name) {
        _ = $0.adopt(policy)
        $0.update(groups[name] ?? [], &effects)
      }
    }
    _ = children.takeNews().map { note($0) }
    publish(&effects)
    return !endpoints.isEmpty
  }

  mutating func exitIdle(_ effects: inout PolicyEffects) {
    for name in Array(children.keys) where children[name]?.state == .idle {
      children.with(name) { $0.exitIdle(&effects) }
    }
    heard(&effects)
  }

  // MARK: What they add up to

  mutating func heard(_ effects: inout PolicyEffects) {
    let news = children.takeNews()
    guard !news.isEmpty else { return }
    for name in news { note(name) }
    publish(&effects)
  }

  private mutating func note(_ name: String) {
    switch children[name]?.state {
    case .transientFailure?: failing.insert(name)
    case .ready?, .idle?, nil: failing.remove(name)
    case .connecting?, .shutdown?: break
    }
  }

  private func publish(_ effects: inout PolicyEffects) {
    let targets = configuration.targets.sorted { $0.key < $1.key }
    func picker(of state: ConnectivityState) -> WeightedTargetPicker? {
      let those = targets.compactMap { name, target in
        children[name].flatMap { $0.state == state ? (picker: $0.picker, weight: target.weight) : nil }
      }
      return those.isEmpty
        ? nil : WeightedTargetPicker(those.map(\.picker), weights: those.map(\.weight), seed: context.random())
    }
    let waiting = targets.compactMap { failing.contains($0.key) ? nil : children[$0.key]?.state }
    if let ready = picker(of: .ready) {
      effects.publish(.ready, ready)
    } else if waiting.contains(.connecting) {
      effects.publish(.connecting, QueueingPicker())
    } else if waiting.contains(.idle) {
      effects.publish(.idle, QueueingPicker())
    } else if let failed = picker(of: .transientFailure) {
      effects.publish(.transientFailure, failed)
    } else if targets.isEmpty {
      let error = StatusError(.unavailable, "weighted_target has no target with a weight")
      effects.publish(.transientFailure, FailingPicker(error: error))
    }
  }
}

/// One of several pickers at random, by weight.
package final class WeightedTargetPicker: Picker {
  private let pickers: [any Picker]
  /// The sum of the weights up to each of them.
  private let bounds: [UInt64]
  private let random: RandomSequence

  /// - Parameter weights: As many as pickers, each above 0.
  package init(_ pickers: [any Picker], weights: [UInt32], seed: UInt64) {
    self.pickers = pickers
    var sum: UInt64 = 0
    bounds = weights.map { weight in
      sum += UInt64(weight)
      return sum
    }
    random = RandomSequence(seed: seed)
  }

  package func pick(for call: PickRequest) -> PickResult {
    guard pickers.count > 1 else { return pickers[0].pick(for: call) }
    let drawn = random.next(below: bounds[bounds.count - 1])
    var (low, high) = (0, bounds.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if bounds[middle] > drawn { high = middle } else { low = middle + 1 }
    }
    return pickers[low].pick(for: call)
  }
}
