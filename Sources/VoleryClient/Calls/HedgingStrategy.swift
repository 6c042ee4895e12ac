import VoleryTransport
import VoleryTypes

/// When a call runs on one more server, and when it has had enough (gRFC A6, hedgingPolicy). A value.
struct HedgingStrategy {
  private let policy: HedgingPolicy
  /// Attempts that have been begun or are about to; transparent repetitions don't count.
  private var started = 1
  /// A server said so, or too many calls fail: no further attempts.
  private var isStopped = false

  init(_ policy: HedgingPolicy) { self.policy = policy }

  private var mayStart: Bool { !isStopped && started < policy.maxAttempts }

  func delayAfterStart() -> Duration? { mayStart ? policy.hedgingDelay : nil }

  mutating func mayBegin(throttle: RetryThrottle) -> Bool {
    guard mayStart else { return false }
    guard throttle.mayHedge else {
      isStopped = true
      return false
    }
    started += 1
    return true
  }

  mutating func foundNoServer() -> Duration {
    started -= 1
    return max(policy.hedgingDelay, .milliseconds(100))
  }

  mutating func attemptEnded(
    _ outcome: borrowing StreamOutcome, isCommitted: Bool, running: Int, throttle: RetryThrottle
  ) -> AttemptVerdict {
    let pushback = Pushback(outcome.trailingMetadata)
    let isNonFatal = policy.nonFatalCodes.contains(outcome.code)
    if isNonFatal || pushback == .stop {
      throttle.attemptFailed()
    } else if outcome.isOK {
      throttle.attemptSucceeded()
    }
    guard isNonFatal, !isCommitted else { return .end }
    if pushback == .stop { isStopped = true }
    guard mayStart else { return running == 0 ? .end : .goOn }
    if case .after(let delay) = pushback { return .another(after: delay) }
    return .another(after: .zero)
  }
}
