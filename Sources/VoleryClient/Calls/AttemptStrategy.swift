import VoleryTransport
import VoleryTypes

/// What follows when an attempt of a call has ended (gRFC A6). A value that decides and does nothing: the call tells it of each
/// attempt that a server may have seen, and does what it says.
enum AttemptStrategy {
  /// One attempt: its outcome is the call's.
  case single
  /// One after the other.
  case retry(RetryStrategy)
  /// Several at once.
  case hedge(HedgingStrategy)

  /// Methods that the .proto marks `idempotency_level` are retried, where no configuration says otherwise.
  init(_ method: MethodDescriptor) {
    self = method.idempotency == .unknown ? .single : .retry(RetryStrategy(.idempotent))
  }

  /// What the service config, or the config selector, says of the method.
  init(_ method: MethodDescriptor, _ configuration: MethodConfig) {
    if let hedging = configuration.hedgingPolicy {
      self = .hedge(HedgingStrategy(hedging))
    } else if let retry = configuration.retryPolicy {
      self = .retry(RetryStrategy(retry))
    } else {
      self.init(method)
    }
  }

  /// Several attempts may run at once.
  var isHedging: Bool { if case .hedge = self { true } else { false } }

  /// An attempt has begun. How long after it the next one begins whatever becomes of it; nil: not before it has ended.
  func delayAfterStart() -> Duration? {
    guard case .hedge(let hedging) = self else { return nil }
    return hedging.delayAfterStart()
  }

  /// The time for another attempt has come. Returns whether it may begin now.
  mutating func mayBegin(throttle: RetryThrottle) -> Bool {
    guard case .hedge(var hedging) = self else { return true }
    defer { self = .hedge(hedging) }
    return hedging.mayBegin(throttle: throttle)
  }

  /// The attempt that was to begin found no server while others run. How long to wait before the next try.
  mutating func foundNoServer() -> Duration {
    guard case .hedge(var hedging) = self else { return .milliseconds(100) }
    defer { self = .hedge(hedging) }
    return hedging.foundNoServer()
  }

  /// - Parameters:
  ///   - isCommitted: No other attempt can follow.
  ///   - running: How many others run.
  mutating func attemptEnded(
    _ outcome: borrowing StreamOutcome, isCommitted: Bool, running: Int, throttle: RetryThrottle
  ) -> AttemptVerdict {
    // It would be the same with any other server.
    if outcome.processing == .unsendable { return running == 0 ? .end : .goOn }
    switch self {
    case .single: return .end
    case .retry(var retry):
      defer { self = .retry(retry) }
      return retry.attemptEnded(outcome, isCommitted: isCommitted, throttle: throttle)
    case .hedge(var hedging):
      defer { self = .hedge(hedging) }
      return hedging.attemptEnded(outcome, isCommitted: isCommitted, running: running, throttle: throttle)
    }
  }
}

/// What follows when an attempt has ended.
package enum AttemptVerdict: Equatable {
  /// The attempt's outcome is the call's; others that run are given up.
  case end
  /// The others that run may still answer.
  case goOn
  /// Another attempt, after this time.
  case another(after: Duration)
}
