public import VoleryTypes

/// `outlier_detection` (gRFC A50): wraps any policy and keeps it from servers whose calls fail much more often than the
/// others'. To the wrapped policy an ejected server's subchannel is failing; its connection lives on, and when the ejection
/// is over it is ready again.
///
/// This is beside what every policy of this module does by itself, without a configuration and at once: a server that fails
/// five calls in a row, or misses two deadlines, is left alone and probed (`Subchannel.isAside`).
public struct OutlierDetectionPolicy: LoadBalancingPolicy {
  private struct Member {
    let key: OutlierDetector.Key
    var state = ConnectivityState.idle
  }

  /// The wrapped policy's timers have their own numbers; this is the only one of ours.
  private static let sweepToken = Int.min

  private var child: any LoadBalancingPolicy
  private var detector: OutlierDetector
  private let context: PolicyContext
  private var members: [Int: Member] = [:]
  private var isSweeping = false

  init(child: any LoadBalancingPolicy, configuration: OutlierDetectionConfiguration, context: PolicyContext) {
    self.child = child
    self.context = context
    detector = OutlierDetector(configuration, random: context.random)
  }

  public var observesCalls: Bool { detector.configuration.isOn || child.observesCalls }
  public var usesHealthChecks: Bool { child.usesHealthChecks }

  public mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    detector.update(Set(endpoints.map { Set($0.addresses) }))
    if detector.configuration.isOn, !isSweeping {
      isSweeping = true
      effects.startTimer(token: OutlierDetectionPolicy.sweepToken, after: detector.configuration.interval)
    }
    return ask(&effects) { $0.update(endpoints, &$1) }
  }

  /// Asks the child, and takes note of the subchannels that it makes and gives up.
  private mutating func ask<Result>(
    _ effects: inout PolicyEffects, _ body: (inout any LoadBalancingPolicy, inout PolicyEffects) -> Result
  ) -> Result {
    var made: [Subchannel] = []
    let outer = effects
    var inner = PolicyEffects { endpoint in
      let subchannel = outer.subchannel(for: endpoint)
      made.append(subchannel)
      return subchannel
    }
    let result = body(&child, &inner)
    for subchannel in made { members[subchannel.id] = Member(key: Set(subchannel.endpoint.addresses)) }
    for effect in inner.effects {
      if case .remove(let id) = effect { members[id] = nil }
      effects.append(effect)
    }
    return result
  }

  public mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    members[id]?.state = state
    guard state == .ready, let member = members[id], detector.isEjected(member.key) else {
      return ask(&effects) { $0.subchannelChanged(id, to: state, error: error, &$1) }
    }
    ask(&effects) {
      $0.subchannelChanged(id, to: .transientFailure, error: OutlierDetectionPolicy.ejection, &$1)
    }
  }

  private static let ejection = StatusError(.unavailable, "it is ejected: its calls fail much more often than others'")

  public mutating func timerFired(_ token: Int, _ effects: inout PolicyEffects) {
    guard token == OutlierDetectionPolicy.sweepToken else { return ask(&effects) { $0.timerFired(token, &$1) } }
    effects.startTimer(token: token, after: detector.configuration.interval)
    let changed = detector.sweep(at: context.now())
    guard !changed.isEmpty else { return }
    for (id, member) in members.sorted(by: { $0.key < $1.key })
    where member.state == .ready && changed.contains(member.key) {
      subchannelChanged(id, to: .ready, error: nil, &effects)
    }
  }

  public mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) {
    if detector.configuration.isOn {
      for call in calls where call.reachedTheWire {
        guard let member = members[call.subchannel] else { continue }
        detector.callEnded(member.key, succeeded: call.code == .ok)
      }
    }
    if child.observesCalls { ask(&effects) { $0.callsEnded(calls, &$1) } }
  }

  public mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    ask(&effects) { $0.resolverFailed(error, &$1) }
  }

  public mutating func exitIdle(_ effects: inout PolicyEffects) { ask(&effects) { $0.exitIdle(&$1) } }
}

extension CallReport {
  /// The caller's own cancellation says nothing of the server.
  fileprivate var reachedTheWire: Bool { !(code == .cancelled && origin == .local) }
}
