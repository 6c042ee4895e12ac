import VoleryObservation
import VoleryTypes

/// All calls of one method on one channel: nothing is made for a call, and one small object for an attempt.
final class ChannelCallMetrics: CallObserver {
  private let method: ClientMethodMetrics
  private let channel: ChannelMetrics
  /// By the custom label's values; nil where nobody has asked for the label.
  private let labelled: BoundedTable<String, ChannelCallMetrics>?

  init(_ method: ClientMethodMetrics, _ channel: ChannelMetrics, _ options: MetricsOptions) {
    self.method = method
    self.channel = channel
    guard options.optionalLabels.contains(.custom) else {
      labelled = nil
      return
    }
    var options = options
    options.optionalLabels.remove(.custom)
    labelled = BoundedTable(limit: options.maxCustomLabels) { [options] in
      ChannelCallMetrics(method.labelled[$0], channel, options)
    }
  }

  /// Who counts calls of this name.
  func of(_ label: String?) -> ChannelCallMetrics {
    guard let labelled, let label, !label.isEmpty else { return self }
    return labelled[label]
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
