import VoleryLoadBalancing
import VoleryTypes

extension ClientCall {
  private static let maxRepeatedPicks = 4

  /// What the policy says, preferring other servers than those whose subchannels are `tried`: it is asked again a few times
  /// while it comes to one of them. What was picked in vain counts as busy meanwhile, so that policies which look at that
  /// come to another one sooner.
  func picked(besides tried: Set<Int>) -> PickOutcome {
    let request = PickRequest(path: method.path, metadata: metadata)
    guard !tried.isEmpty else { return core.pick(request, waitForReady: waitForReady) }
    var rejected: [Subchannel] = []
    defer { for subchannel in rejected { subchannel.callEnded(code: .cancelled, origin: .local) } }
    while true {
      let outcome = core.pick(request, waitForReady: waitForReady)
      guard case .connection(_, let subchannel) = outcome, tried.contains(subchannel.id),
        rejected.count < ClientCall.maxRepeatedPicks
      else { return outcome }
      rejected.append(subchannel)
    }
  }
}
