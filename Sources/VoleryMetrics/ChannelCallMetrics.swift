import VoleryObservation
import VoleryTypes

/// All calls of one method on one channel: nothing is made for a call, and one small object for an attempt.
final class ChannelCallMetrics: CallObserver {
  private let method: ClientMethodMetrics
  private let channel: ChannelMetrics

  init(_ method: ClientMethodMetrics, _ channel: ChannelMetrics) {
    self.method = method
    self.channel = channel
  }

  func attemptStarted(_ attempt: ObservedAttempt, metadata: inout Metadata) -> (any AttemptObserver)? {
    let endpoint = channel.endpoint(of: attempt.subchannel)
    let outcomes = method.attemptStarted(at: endpoint?.place, waited: attempt.waited)
    endpoint?.metrics.attemptStarted()
    return AttemptMetrics(outcomes, endpoint?.metrics, waited: attempt.waited)
  }

  func ended(_ end: CallEnd) {
    method.ended(end)
    if end.code != .ok || end.attempts.retries > 0 { channel.noteRetryBudget() }
  }
}

private final class AttemptMetrics: AttemptObserver {
  private let outcomes: AttemptOutcomes
  private let endpoint: EndpointMetrics?
  private let waited: Duration

  init(_ outcomes: AttemptOutcomes, _ endpoint: EndpointMetrics?, waited: Duration) {
    self.outcomes = outcomes
    self.endpoint = endpoint
    self.waited = waited
  }

  func ended(_ end: AttemptEnd) {
    outcomes.ended(end, waited: waited)
    endpoint?.attemptEnded()
  }
}
