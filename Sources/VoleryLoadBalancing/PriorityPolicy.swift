import VoleryTypes

/// `priority_experimental` (gRFC A56): a list of children, of which the first serves that can. A child is made when those before it
/// have failed or have not connected within 10 s; one that is not needed any more lives on for 15 min, so that priorities
/// which come and go don't open connections anew.
struct PriorityPolicy: ParentPolicy {
  static let failoverDelay = Duration.seconds(10)
  static let retention = Duration.seconds(900)

  /// What is known of a child besides what it has published.
  private struct Record {
    let number: Int
    var state = ConnectivityState.connecting
    /// It may still connect: those after it wait.
    var isFailoverPending = true
    var isDeactivated = false
    /// It was ready or idle since it has last failed.
    var wasWell = false

    var failoverToken: Int { number * 2 }
    var retentionToken: Int { number * 2 + 1 }
  }

  private let context: PolicyContext
  private var configuration: PriorityConfiguration
  var children = PolicyChildren<String>()
  private var records: [String: Record] = [:]
  private var endpoints: [String: [Endpoint]] = [:]
  private var lastNumber = 0
  private var current: String?

  init(_ configuration: PriorityConfiguration, context: PolicyContext) {
    self.configuration = configuration
    self.context = context
  }

  mutating func adopt(_ fresh: any LoadBalancingPolicy) -> Bool {
    guard let fresh = fresh as? PriorityPolicy else { return false }
    configuration = fresh.configuration
    return true
  }

  // MARK: What happens

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    self.endpoints = endpoints.groupedByChild()
    for name in children.keys.sorted() {
      if let child = configuration.children[name], configuration.priorities.contains(name) {
        let policy = ReconfigurablePolicy(child.policy, context: context)
        children.with(name) {
          $0.ignoresResolverRequests = child.ignoresResolverRequests
          _ = $0.adopt(policy)
          $0.update(self.endpoints[name] ?? [], &effects)
        }
      } else {
        deactivate(name, &effects)
      }
    }
    choose(&effects)
    return !endpoints.isEmpty
  }

  mutating func timerFired(_ token: Int, _ effects: inout PolicyEffects) {
    guard let name = records.first(where: { $0.value.number == token / 2 })?.key else { return }
    if records[name]?.failoverToken == token {
      records[name]?.isFailoverPending = false
      choose(&effects)
    } else {
      children.remove(name, &effects)
      records[name] = nil
    }
  }

  mutating func exitIdle(_ effects: inout PolicyEffects) {
    guard let current else { return }
    children.with(current) { $0.exitIdle(&effects) }
    heard(&effects)
  }

  // MARK: Children's states

  mutating func heard(_ effects: inout PolicyEffects) {
    let news = children.takeNews()
    guard !news.isEmpty else { return }
    for name in news { note(name, &effects) }
    choose(&effects, news)
  }

  /// A child may have published.
  private mutating func note(_ name: String, _ effects: inout PolicyEffects) {
    guard var record = records[name], let state = children[name]?.state else { return }
    let old = record.state
    record.state = state
    switch state {
    case .ready, .idle, .transientFailure, .shutdown:
      record.wasWell = state == .ready || state == .idle
      if record.isFailoverPending { effects.cancelTimer(token: record.failoverToken) }
      record.isFailoverPending = false
    case .connecting:
      if old != .connecting, record.wasWell {
        record.isFailoverPending = true
        effects.startTimer(token: record.failoverToken, after: PriorityPolicy.failoverDelay)
      }
    }
    records[name] = record
  }

  private mutating func make(_ name: String, _ effects: inout PolicyEffects) {
    guard let child = configuration.children[name] else { return }
    lastNumber += 1
    let record = Record(number: lastNumber)
    records[name] = record
    effects.startTimer(token: record.failoverToken, after: PriorityPolicy.failoverDelay)
    children.add(ReconfigurablePolicy(child.policy, context: context), name: name, for: name, &effects)
    children.with(name) {
      $0.ignoresResolverRequests = child.ignoresResolverRequests
      $0.update(endpoints[name] ?? [], &effects)
    }
  }

  private mutating func deactivate(_ name: String, _ effects: inout PolicyEffects) {
    guard let record = records[name], !record.isDeactivated else { return }
    records[name]?.isDeactivated = true
    effects.startTimer(token: record.retentionToken, after: PriorityPolicy.retention)
  }

  private mutating func reactivate(_ name: String, _ effects: inout PolicyEffects) {
    guard let record = records[name], record.isDeactivated else { return }
    records[name]?.isDeactivated = false
    effects.cancelTimer(token: record.retentionToken)
  }

  // MARK: The choice

  /// gRFC A56, "algorithm for choosing a priority".
  private mutating func choose(_ effects: inout PolicyEffects, _ earlierNews: Set<String> = []) {
    var news = earlierNews
    var chosen: String?
    for (index, name) in configuration.priorities.enumerated() {
      if children[name] == nil { make(name, &effects) } else { reactivate(name, &effects) }
      for fresh in children.takeNews() {
        note(fresh, &effects)
        news.insert(fresh)
      }
      guard let record = records[name] else { continue }
      if record.state == .ready || record.state == .idle {
        for lower in configuration.priorities.dropFirst(index + 1) { deactivate(lower, &effects) }
        chosen = name
        break
      }
      if record.isFailoverPending {
        // Not in the gRFC, but in what others make of it: who serves goes on until the one above it can, or has failed.
        chosen = current.flatMap { records[$0]?.state == .ready ? $0 : nil } ?? name
        break
      }
    }
    let name =
      chosen ?? configuration.priorities.first { records[$0]?.state == .connecting } ?? configuration.priorities.last
    publish(name, isNew: name != current || name.map(news.contains) ?? true, &effects)
  }

  private mutating func publish(_ name: String?, isNew: Bool, _ effects: inout PolicyEffects) {
    guard isNew else { return }
    current = name
    if let name, let child = children[name] {
      effects.publish(child.state, child.picker)
    } else {
      let error = StatusError(.unavailable, "the priority policy has an empty list of priorities")
      effects.publish(.transientFailure, FailingPicker(error: error))
    }
  }
}
