import Synchronization
public import VoleryTypes

/// A policy below another one: what the parent keeps of it. Its subchannels, its timers, and what it has published are its own;
/// what happens is told to the child that it concerns, and what the child publishes goes to the parent, which looks at `state`
/// and `picker` and publishes what it makes of them.
///
///     mutating func subchannelChanged(
///       _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
///     ) {
///       guard child.subchannelChanged(id, to: state, error: error, &effects) else { return }
///       if child.takeNews() { effects.publish(child.state, child.picker) }
///     }
///
/// A child may not do to others what it likes: subchannels that are not its own stay as they are, its states and timers are
/// checked as those of a channel's policy are, and the log names it.
public struct ChildPolicy {
  /// Unique in the process.
  public struct ID: Hashable, Sendable {
    fileprivate let number: UInt64
    private static let last = Atomic<UInt64>(0)

    fileprivate static func next() -> ID { ID(number: last.add(1, ordering: .relaxed).newValue) }
  }

  /// Tells this child's timers from those of others (`PolicyTimer`).
  public let id = ID.next()
  /// For the log and for error messages: the policy's name, or what the parent calls it.
  public let name: String
  /// What it has published last; connecting before that.
  public private(set) var state = ConnectivityState.connecting
  /// What it has published last; lets calls wait before that.
  public private(set) var picker: any Picker = QueueingPicker()
  /// Those that it has made and not given up.
  public private(set) var subchannels: [Int: Subchannel] = [:]

  /// The resolver is not asked again for its sake, be it that it says so or that its connections fail (gRFC A56). False.
  var ignoresResolverRequests = false

  /// Its subchannels that have come and gone since they were last asked for.
  package struct Turnover {
    package var made: [Subchannel] = []
    /// The parent's from here on: it gives them up in its turn, or keeps them.
    package var givenUp: [Subchannel] = []
  }

  /// Nil: what the child gives up is given up.
  private var turnover: Turnover?
  private var policy: any LoadBalancingPolicy
  private var timers: Set<PolicyTimer> = []
  private var hasNews = false

  /// A child that has published nothing yet; it gets its first list with `update`, which should follow at once.
  public init(_ policy: any LoadBalancingPolicy, name: String) {
    self.policy = policy
    self.name = name
  }

  /// Whether the policy wants to hear of ended calls; a parent says the same of itself, or its child hears of none.
  public var observesCalls: Bool { policy.observesCalls }

  /// Whether it has published since this was last asked.
  public mutating func takeNews() -> Bool {
    defer { hasNews = false }
    return hasNews
  }

  /// What it has published is news to whoever asks next.
  mutating func markNews() { hasNews = true }

  /// The child's subchannels don't go before the parent says so: it has to ask for `takeTurnover` each time that the child was asked.
  package mutating func keepTurnover() { turnover = Turnover() }

  /// What has changed of its subchannels since this was last asked.
  package mutating func takeTurnover() -> Turnover {
    guard let taken = turnover else { return Turnover() }
    if !taken.made.isEmpty || !taken.givenUp.isEmpty { turnover = Turnover() }
    return taken
  }

  /// For a parent that has nothing to add: publishes what the child has published since.
  public mutating func passOn(_ effects: inout PolicyEffects) {
    if takeNews() { effects.publish(state, picker) }
  }

  // MARK: What happens

  /// Has the policy take over another one's configuration (`LoadBalancingPolicy.adopt`); `update` should follow at once. Returns
  /// false when it can't.
  public mutating func adopt(_ fresh: any LoadBalancingPolicy) -> Bool { policy.adopt(fresh) }

  /// The same with the policy of a child that nobody has asked anything.
  package mutating func adopt(unused fresh: ChildPolicy) -> Bool { adopt(fresh.policy) }

  /// Returns false when the child can't use the list.
  @discardableResult
  public mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    ask(&effects) { $0.update(endpoints, &$1) }
  }

  /// Tells the policy that the resolver has failed and nothing was ever resolved.
  public mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    ask(&effects) { $0.resolverFailed(error, &$1) }
  }

  /// Tells the policy that a call has come while it was idle.
  public mutating func exitIdle(_ effects: inout PolicyEffects) { ask(&effects) { $0.exitIdle(&$1) } }

  /// Returns false, and asks nobody, when the subchannel is not this child's.
  @discardableResult
  public mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) -> Bool {
    guard subchannels[id] != nil else { return false }
    ask(&effects) { $0.subchannelChanged(id, to: state, error: error, &$1) }
    return true
  }

  /// Of the changes those of its own subchannels, at once. Returns false, and asks nobody, when there are none.
  @discardableResult
  public mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) -> Bool {
    let own = changes.filter { subchannels[$0.id] != nil }
    guard !own.isEmpty else { return false }
    ask(&effects) { $0.subchannelsChanged(own, &$1) }
    return true
  }

  /// Returns false, and asks nobody, when the timer is not this child's.
  @discardableResult
  public mutating func timerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) -> Bool {
    guard timer.path.first == id, timers.remove(timer) != nil else { return false }
    var inner = timer
    inner.path.removeFirst()
    ask(&effects) { policy, effects in
      if inner.path.isEmpty {
        policy.timerFired(inner.token, &effects)
      } else {
        policy.childTimerFired(inner, &effects)
      }
    }
    return true
  }

  /// Of the calls those that ended on its subchannels, if it wants to know.
  public mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {
    guard policy.observesCalls else { return }
    let own = calls.filter { subchannels[$0.subchannel] != nil }
    if !own.isEmpty { ask(&effects) { $0.callsEnded(own, &$1) } }
  }

  /// Gives up its subchannels and timers; it is not asked any more.
  public mutating func stop(_ effects: inout PolicyEffects) {
    for id in subchannels.keys.sorted() { effects.remove(id) }
    for timer in timers { effects.append(.cancelTimer(timer)) }
    subchannels = [:]
    timers = []
    hasNews = false
  }

  // MARK: Asking

  private mutating func ask<Result>(
    _ effects: inout PolicyEffects, _ body: (inout any LoadBalancingPolicy, inout PolicyEffects) -> Result
  ) -> Result {
    var made: [Subchannel] = []
    let outer = effects
    var inner = PolicyEffects(attributes: effects.attributes, usesHealthChecks: policy.usesHealthChecks) {
      [name, ignoresResolverRequests] request in
      var request = request
      if ignoresResolverRequests { request.asksResolver = false }
      request.owner.insert(name, at: 0)
      let subchannel = outer.subchannel(for: request)
      made.append(subchannel)
      return subchannel
    }
    let result = body(&policy, &inner)
    for subchannel in made { subchannels[subchannel.id] = subchannel }
    turnover?.made += made
    for effect in inner.effects { pass(effect, &effects) }
    return result
  }

  private mutating func pass(_ effect: PolicyEffects.Effect, _ effects: inout PolicyEffects) {
    switch effect {
    case .connect(let id):
      guard subchannels[id] != nil else { return complain("connects", id, &effects) }
      effects.append(effect)
    case .remove(let id):
      guard let subchannel = subchannels.removeValue(forKey: id) else { return complain("gives up", id, &effects) }
      if turnover != nil { turnover!.givenUp.append(subchannel) } else { effects.append(effect) }
    case .publish(let state, let picker):
      // Only the channel itself shuts down.
      self.state = state == .shutdown ? .transientFailure : state
      self.picker = picker
      hasNews = true
    case .startTimer(let timer, let delay):
      let outer = own(timer)
      guard timers.contains(outer) || timers.count < ChildPolicy.maxTimers else {
        return effects.append(.complain("\(name) wants more than \(ChildPolicy.maxTimers) timers"))
      }
      timers.insert(outer)
      effects.append(.startTimer(outer, after: delay))
    case .cancelTimer(let timer):
      if timers.remove(own(timer)) != nil { effects.append(.cancelTimer(own(timer))) }
    case .watchLoad(let watch):
      guard subchannels[watch.subchannel] != nil else {
        return complain("watches the load of", watch.subchannel, &effects)
      }
      effects.append(effect)
    case .endLoadWatch(let watch): if subchannels[watch.subchannel] != nil { effects.append(effect) }
    case .resolveNow: if !ignoresResolverRequests { effects.append(effect) }
    case .tellEjection, .tellSpared, .tellWeights: effects.append(effect)
    case .complain(let text): effects.append(.complain("\(name): \(text)"))
    }
  }

  /// Of a policy and all that are below it.
  package static let maxTimers = 1000

  private func own(_ timer: PolicyTimer) -> PolicyTimer {
    var timer = timer
    timer.path.insert(id, at: 0)
    return timer
  }

  private func complain(_ what: String, _ id: Int, _ effects: inout PolicyEffects) {
    effects.append(.complain("\(name) \(what) the subchannel \(id), which is not its own"))
  }
}
