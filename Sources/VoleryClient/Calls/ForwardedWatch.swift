import VoleryObservation
import VoleryTransport
import VoleryTypes

/// Tells a channel's observers of a call that is forwarded: all but its messages, at which nobody looks. A value, on the call's
/// loop.
struct ForwardedWatch {
  private let observer: any CallObserver
  private let startedAt = Moment.now
  private var attempt: (any AttemptObserver)?
  private var attemptStartedAt = Moment.now
  /// When no attempt was under way any more.
  private var waitsSince = Moment.now
  private var attempts = AttemptCount()
  private var isFirst = true

  /// Nil where nobody wants to hear of it.
  init?(_ channel: DataPlane, _ method: MethodDescriptor, _ deadline: Deadline) {
    let call = ObservedCall(channel: channel.observed, method: method, deadline: deadline)
    guard let observer = channel.observer?.callStarted(call) else { return nil }
    self.observer = observer
  }

  mutating func attemptStarted(on peer: Peer, _ subchannel: Int, _ metadata: inout Metadata) {
    attemptStartedAt = .now
    let waited = waitsSince.duration(to: attemptStartedAt)
    if !isFirst {
      attempts.transparentRetries += 1
      attempts.delay += waited
    }
    let started = ObservedAttempt(
      cause: isFirst ? .first : .transparentRetry, previousAttempts: 0, peer: peer, subchannel: subchannel,
      waited: waited)
    isFirst = false
    attempt = observer.attemptStarted(started, metadata: &metadata)
  }

  func received(_ initialMetadata: Metadata) { attempt?.received(initialMetadata) }

  mutating func attemptEnded(_ outcome: borrowing StreamOutcome) {
    waitsSince = .now
    guard let attempt = attempt.take() else { return }
    attempt.ended(
      AttemptEnd(
        status: outcome.status, origin: outcome.origin, isComplete: outcome.isOK || outcome.isServersOwn,
        trailingMetadata: outcome.trailingMetadata, nanoseconds: attemptStartedAt.nanoseconds(to: waitsSince),
        sent: MessageCount(), received: MessageCount()))
  }

  func ended(_ outcome: borrowing StreamOutcome) {
    observer.ended(
      CallEnd(
        status: outcome.status, origin: outcome.origin, nanoseconds: startedAt.nanoseconds(to: .now),
        furtherAttempts: attempts == AttemptCount() ? nil : attempts))
  }
}
