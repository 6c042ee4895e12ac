package import VoleryTransport
package import VoleryTypes

/// Whether a failed attempt is followed by another, and when (gRFC A6, retryPolicy). A value.
package struct RetryStrategy {
  private let policy: RetryPolicy
  /// Attempts that the server may have seen, this one included.
  private var attempts = 1
  /// Retries since the start or the last pushback: what the backoff grows by.
  private var backoffs = 0
  private let random: () -> Double

  /// - Parameter random: Between -1 and 1.
  package init(_ policy: RetryPolicy, random: @escaping () -> Double = { Double.random(in: -1...1) }) {
    self.policy = policy
    self.random = random
  }

  package mutating func attemptEnded(
    _ outcome: borrowing StreamOutcome, isCommitted: Bool, throttle: RetryThrottle
  ) -> AttemptVerdict {
    let pushback = Pushback(outcome.trailingMetadata)
    let isRetryable = policy.retryableCodes.contains(outcome.code)
    if isRetryable || pushback == .stop {
      throttle.attemptFailed()
    } else if outcome.isOK {
      throttle.attemptSucceeded()
    }
    guard isRetryable, !isCommitted, attempts < policy.maxAttempts, pushback != .stop, throttle.takeRetry() else {
      return .end
    }
    attempts += 1
    if case .after(let delay) = pushback {
      backoffs = 0
      return .another(after: delay)
    }
    var delay = policy.initialBackoff
    for _ in 0..<min(backoffs, 64) { delay = delay.scaled(by: policy.backoffMultiplier, upTo: policy.maxBackoff) }
    backoffs += 1
    return .another(after: min(delay, policy.maxBackoff) * (1 + 0.2 * random()))
  }
}

extension RetryPolicy {
  /// For methods that the .proto marks `idempotency_level`, where no service config says otherwise.
  static let idempotent = RetryPolicy(
    maxAttempts: 3, initialBackoff: .milliseconds(10), maxBackoff: .seconds(1), backoffMultiplier: 2,
    retryableCodes: [.unavailable])
}
