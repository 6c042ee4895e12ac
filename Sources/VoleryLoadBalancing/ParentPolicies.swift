package import VoleryTypes

/// A policy with one child, which hears of everything that happens. It says what it makes of what the child publishes; where it has
/// more to do for an event it has a function of its own, which asks the child by `ask`.
package protocol WrappingPolicy: LoadBalancingPolicy {
  var child: ChildPolicy { get set }

  /// The child has been asked, and may have published.
  mutating func heard(_ effects: inout PolicyEffects)
}

extension WrappingPolicy {
  package var observesCalls: Bool { child.observesCalls }

  package mutating func heard(_ effects: inout PolicyEffects) { child.passOn(&effects) }

  @discardableResult
  package mutating func ask<Result>(
    _ effects: inout PolicyEffects, _ body: (inout ChildPolicy, inout PolicyEffects) -> Result
  ) -> Result {
    let result = body(&child, &effects)
    heard(&effects)
    return result
  }

  package mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    ask(&effects) { $0.update(endpoints, &$1) }
  }

  package mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    subchannelsChanged([SubchannelChange(id, to: state, error: error)], &effects)
  }

  package mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    ask(&effects) { _ = $0.subchannelsChanged(changes, &$1) }
  }

  package mutating func childTimerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) {
    ask(&effects) { _ = $0.timerFired(timer, &$1) }
  }

  package mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {
    ask(&effects) { $0.callsEnded(calls, &$1) }
  }

  package mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    ask(&effects) { $0.resolverFailed(error, &$1) }
  }

  package mutating func exitIdle(_ effects: inout PolicyEffects) { ask(&effects) { $0.exitIdle(&$1) } }
}

/// A policy with several children, of which each hears of what concerns it. It says what it makes of what they publish.
package protocol ParentPolicy: LoadBalancingPolicy {
  associatedtype Key: Hashable

  var children: PolicyChildren<Key> { get set }

  /// Children have been asked, and may have published.
  mutating func heard(_ effects: inout PolicyEffects)
}

extension ParentPolicy {
  package var observesCalls: Bool { children.observesCalls }

  package mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    subchannelsChanged([SubchannelChange(id, to: state, error: error)], &effects)
  }

  package mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    if children.subchannelsChanged(changes, &effects) { heard(&effects) }
  }

  package mutating func childTimerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) {
    if children.timerFired(timer, &effects) != nil { heard(&effects) }
  }

  package mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {
    children.callsEnded(calls, &effects)
    heard(&effects)
  }

  /// Where there are no children yet, calls fail with it.
  package mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    guard !children.isEmpty else { return effects.publish(.transientFailure, FailingPicker(error: error)) }
    children.resolverFailed(error, &effects)
    heard(&effects)
  }

  package mutating func exitIdle(_ effects: inout PolicyEffects) {
    children.exitIdle(&effects)
    heard(&effects)
  }
}
