package import VoleryTransport
package import VoleryTypes

/// Decides whether a failed attempt of a call is followed by another, and when (gRFC A6). A value; the call acts on it.
package struct RetryState {
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

  /// How long to wait before the next attempt; nil when there is none. Tells the throttle of the outcome.
  package mutating func delay(after outcome: StreamOutcome, isCommitted: Bool, throttle: RetryThrottle) -> Duration? {
    let pushback = Pushback(outcome.trailingMetadata)
    let isRetryable = policy.retryableCodes.contains(outcome.status.code)
    if isRetryable || pushback == .stop {
      throttle.attemptFailed()
    } else if outcome.status.isOK {
      throttle.attemptSucceeded()
    }
    guard isRetryable, !isCommitted, attempts < policy.maxAttempts, pushback != .stop, throttle.takeRetry() else {
      return nil
    }
    attempts += 1
    if case .after(let delay) = pushback {
      backoffs = 0
      return delay
    }
    var delay = policy.initialBackoff
    for _ in 0..<min(backoffs, 64) { delay = delay.scaled(by: policy.backoffMultiplier, upTo: policy.maxBackoff) }
    backoffs += 1
    return min(delay, policy.maxBackoff) * (1 + 0.2 * random())
  }
}

extension RetryPolicy {
  /// For methods that the .proto marks `idempotency_level`, where no service config says otherwise.
  static let idempotent = RetryPolicy(
    maxAttempts: 3, initialBackoff: .milliseconds(10), maxBackoff: .seconds(1), backoffMultiplier: 2,
    retryableCodes: [.unavailable])
}
