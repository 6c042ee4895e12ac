import VoleryObservation
import VoleryTypes

/// What observers are told of a call's attempts beyond a plain one: made once there is something to tell. Guarded by the call's
/// lock.
final class AttemptHistory {
  private(set) var count = AttemptCount()
  /// Since then the call has waited for a server.
  private var waitingSince: Moment?
  /// Since then no attempt is under way, though there was one.
  private var idleSince: Moment?
  private var isTransparent = false

  func waits(since now: Moment) {
    if waitingSince == nil { waitingSince = now }
  }

  /// An attempt has ended and is not the last. No other one runs.
  func idles(since now: Moment) { idleSince = now }

  /// No server has processed the last attempt.
  func nextIsTransparent() { isTransparent = true }

  /// - Parameter isFirst: No server may have seen one before.
  func started(at now: Moment, isFirst: Bool, isHedging: Bool) -> (cause: ObservedAttempt.Cause, waited: Duration) {
    let waited = waitingSince.map { $0.duration(to: now) } ?? .zero
    waitingSince = nil
    if let idleSince { count.delay += idleSince.duration(to: now) }
    idleSince = nil
    let cause: ObservedAttempt.Cause
    if isTransparent {
      count.transparentRetries += 1
      cause = .transparentRetry
    } else if isFirst {
      cause = .first
    } else if isHedging {
      count.hedges += 1
      cause = .hedge
    } else {
      count.retries += 1
      cause = .retry
    }
    isTransparent = false
    return (cause, waited)
  }
}
