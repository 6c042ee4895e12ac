public import VoleryTypes

/// One policy after another without a gap: the one that serves goes on until the next one can, or until that one itself can't
/// any more. A value that decides; what a policy is here says its owner (`ChildPolicy` below a policy; the channel has its own).
public struct GracefulSwitch<Child> {
  /// What calls use.
  public private(set) var current: Child
  /// Takes over as soon as it can.
  public private(set) var next: Child?

  /// The first one serves at once, whatever its state.
  public init(_ first: Child) { current = first }

  /// The one that what the resolver says is for first of all.
  public var newest: Child { next ?? current }

  /// Both, the current one first.
  public var all: [Child] { next.map { [current, $0] } ?? [current] }

  /// Begins to change over to `fresh`.
  ///
  /// - Returns: One that was to take over and never did: it has to be stopped.
  public mutating func begin(_ fresh: Child) -> Child? {
    defer { next = fresh }
    return next
  }

  /// Stays with the current one after all.
  ///
  /// - Returns: As for `begin`.
  public mutating func giveUpNext() -> Child? {
    defer { next = nil }
    return next
  }

  /// At once, with nothing to wait for.
  ///
  /// - Returns: What has to be stopped.
  public mutating func replace(with fresh: Child) -> [Child] {
    defer {
      current = fresh
      next = nil
    }
    return all
  }

  /// Something has been published: changes over if it is time.
  ///
  /// - Returns: The one that has served until now, and has to be stopped; nil: nothing has changed.
  public mutating func settle(_ state: (Child) -> ConnectivityState) -> Child? {
    guard let next, state(next) != .connecting || state(current) != .ready else { return nil }
    defer {
      current = next
      self.next = nil
    }
    return current
  }

  /// Changes the current one in place, then the next one.
  public mutating func forEach(_ body: (inout Child) -> Void) {
    body(&current)
    if next != nil { body(&next!) }
  }
}

/// For a parent whose child is exchanged: each function tells the children, and changes over when it is time. Then look at
/// `takeNews()`, `current.state` and `current.picker`.
extension GracefulSwitch<ChildPolicy> {
  /// Whether one of the children wants to hear of ended calls.
  public var observesCalls: Bool { all.contains(where: \.observesCalls) }

  /// Changes over to another policy; it gets its first list with the next `update`, which should follow at once.
  public mutating func change(to policy: any LoadBalancingPolicy, name: String, _ effects: inout PolicyEffects) {
    var unused = begin(ChildPolicy(policy, name: name))
    unused?.stop(&effects)
  }

  /// Tells the children the resolver's answer. Returns false when the newest one can't use it.
  @discardableResult
  public mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    var isUsable = false
    forEach { isUsable = $0.update(endpoints, &effects) }
    settle(&effects)
    return isUsable
  }

  /// Tells the child whose subchannel it is. Returns false when it is nobody's.
  @discardableResult
  public mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) -> Bool {
    var isOwn = false
    forEach { isOwn = $0.subchannelChanged(id, to: state, error: error, &effects) || isOwn }
    settle(&effects)
    return isOwn
  }

  /// Tells each child of the changes of its own subchannels. Returns whether there were any.
  @discardableResult
  public mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) -> Bool {
    var isAny = false
    forEach { isAny = $0.subchannelsChanged(changes, &effects) || isAny }
    settle(&effects)
    return isAny
  }

  /// Tells the child whose timer it is. Returns false when it is nobody's.
  @discardableResult
  public mutating func timerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) -> Bool {
    var isOwn = false
    forEach { isOwn = $0.timerFired(timer, &effects) || isOwn }
    settle(&effects)
    return isOwn
  }

  /// Tells each child of the calls that ended on its own subchannels.
  public mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {
    forEach { $0.callsEnded(calls, &effects) }
    settle(&effects)
  }

  /// Tells the children that the resolver has failed and nothing was ever resolved.
  public mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    forEach { $0.resolverFailed(error, &effects) }
    settle(&effects)
  }

  /// Tells the children that a call has come while they were idle.
  public mutating func exitIdle(_ effects: inout PolicyEffects) {
    forEach { $0.exitIdle(&effects) }
    settle(&effects)
  }

  /// Gives up the children's subchannels and timers; they are not asked any more.
  public mutating func stop(_ effects: inout PolicyEffects) { forEach { $0.stop(&effects) } }

  /// For a parent that has nothing to add: publishes what the current child has published since.
  public mutating func passOn(_ effects: inout PolicyEffects) {
    if current.takeNews() { effects.publish(current.state, current.picker) }
  }

  private mutating func settle(_ effects: inout PolicyEffects) {
    guard var old = settle(\.state) else { return }
    current.markNews()
    old.stop(&effects)
  }
}
