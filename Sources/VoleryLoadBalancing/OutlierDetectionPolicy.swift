public import VoleryTypes

/// `outlier_detection` (gRFC A50): wraps any policy and keeps it from servers whose calls fail much more often than the
/// others'. To the wrapped policy an ejected server's subchannel is failing; its connection lives on, and when the ejection
/// is over it is ready again.
///
/// This is beside what every policy of this module does by itself, without a configuration and at once: a server that fails
/// five calls in a row, or misses two deadlines, is ejected and probed (`Subchannel.isEjected`).
public struct OutlierDetectionPolicy: LoadBalancingPolicy {
  /// A subchannel of the child's, as it is without any ejection.
  private struct Member {
    let key: OutlierDetector.Key
    var state = ConnectivityState.idle
  }

  private static let sweepToken = 1

  private var child: ChildPolicy
  private var detector: OutlierDetector
  private let context: PolicyContext
  private var members: [Int: Member] = [:]
  private var isSweeping = false

  init(child: any LoadBalancingPolicy, configuration: OutlierDetectionConfiguration, context: PolicyContext) {
    self.child = ChildPolicy(child, name: "the child of outlier_detection")
    self.context = context
    detector = OutlierDetector(configuration, random: context.random)
  }

  /// Takes over a configuration whose child's the child can take over: what was counted until now goes on to count.
  public mutating func adopt(_ fresh: any LoadBalancingPolicy) -> Bool {
    guard let fresh = fresh as? OutlierDetectionPolicy, child.adopt(unused: fresh.child) else { return false }
    detector.configuration = fresh.detector.configuration
    return true
  }

  /// True unless neither ejection is configured and the child wants to hear nothing.
  public var observesCalls: Bool { detector.configuration.isOn || child.observesCalls }

  /// Passes the answer on to the child; servers that are gone are forgotten, and the first sweep is an interval away.
  public mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    detector.update(endpoints)
    if detector.configuration.isOn, !isSweeping {
      isSweeping = true
      effects.startTimer(token: OutlierDetectionPolicy.sweepToken, after: detector.configuration.interval)
    }
    return ask(&effects) { $0.update(endpoints, &$1) }
  }

  @discardableResult
  private mutating func ask<Result>(
    _ effects: inout PolicyEffects, _ body: (inout ChildPolicy, inout PolicyEffects) -> Result
  ) -> Result {
    let result = body(&child, &effects)
    child.passOn(&effects)
    return result
  }

  /// Makes a member of what the child has made, when it is first heard of.
  private mutating func key(_ id: Int) -> OutlierDetector.Key? {
    guard let subchannel = child.subchannels[id] else {
      members[id] = nil
      return nil
    }
    return members[id, default: Member(key: OutlierDetector.Key(subchannel.endpoint))].key
  }

  /// Passes the state on to the child, a ready subchannel of an ejected server as failing.
  public mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    subchannelsChanged([SubchannelChange(id, to: state, error: error)], &effects)
  }

  /// The same of several, which the child hears of at once.
  public mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    var told: [SubchannelChange] = []
    for change in changes {
      guard let key = key(change.id) else { continue }
      members[change.id, default: Member(key: key)].state = change.state
      let isEjected = change.state == .ready && detector.isEjected(key)
      told.append(
        isEjected
          ? SubchannelChange(change.id, to: .transientFailure, error: OutlierDetectionPolicy.ejection) : change)
    }
    guard !told.isEmpty else { return }
    ask(&effects) { $0.subchannelsChanged(told, &$1) }
    for change in told where child.subchannels[change.id] == nil { members[change.id] = nil }
  }

  private static let ejection = StatusError(.unavailable, "it is ejected: its calls fail much more often than others'")

  /// The interval is over: counts, ejects and lets back in (gRFC A50), and tells the child of what has changed.
  public mutating func timerFired(_ token: Int, _ effects: inout PolicyEffects) {
    effects.startTimer(token: token, after: detector.configuration.interval)
    members = members.filter { child.subchannels[$0.key] != nil }
    let changed = detector.sweep(at: context.now())
    tellSpared(&effects)
    guard !changed.isEmpty else { return }
    var ready: [SubchannelChange] = []
    for (id, member) in members.sorted(by: { $0.key < $1.key }) where changed.contains(member.key) {
      effects.append(.tellEjection(id, by: detector.method(ofEjecting: member.key)))
      if member.state == .ready { ready.append(SubchannelChange(id, to: .ready)) }
    }
    subchannelsChanged(ready, &effects)
  }

  /// Of each subchannel once: a server has one as a rule.
  private func tellSpared(_ effects: inout PolicyEffects) {
    for spared in detector.spared {
      for (id, member) in members.sorted(by: { $0.key < $1.key }) where member.key == spared.key {
        effects.append(.tellSpared(id, by: spared.method, spared.reason))
      }
    }
  }

  /// Passes a timer of the child's on to it.
  public mutating func childTimerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) {
    ask(&effects) { $0.timerFired(timer, &$1) }
  }

  /// Counts what servers have said, and passes it on to a child that wants to hear of it.
  public mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {
    if detector.configuration.isOn {
      for call in calls where call.reachedTheWire {
        guard let key = key(call.subchannel) else { continue }
        detector.callEnded(key, succeeded: call.code == .ok)
      }
    }
    ask(&effects) { $0.callsEnded(calls, &$1) }
  }

  /// Passes the failure on to the child.
  public mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    ask(&effects) { $0.resolverFailed(error, &$1) }
  }

  /// Passes it on to the child.
  public mutating func exitIdle(_ effects: inout PolicyEffects) { ask(&effects) { $0.exitIdle(&$1) } }
}

extension CallReport {
  /// The caller's own cancellation says nothing of the server.
  fileprivate var reachedTheWire: Bool { !(code == .cancelled && origin == .local) }
}
