import VoleryLoadBalancing
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// A call that runs on several servers at once (gRFC A6, hedgingPolicy), as long as it is not committed to one of them.
/// Guarded by the call's lock.
final class HedgingState {
  /// One attempt, and what of the call's messages it has been given.
  struct Hedge {
    let attempt: ClientCallAttempt
    var sentCount = 0
    var isHalfCloseSent = false
  }

  let policy: HedgingPolicy
  /// Attempts that have been begun or are about to; transparent repetitions don't count.
  var started = 1
  var running: [Hedge] = []
  /// A server said so, or too many calls fail: no further attempts.
  var isStopped = false
  var transparentRetries = TransparentRetries()
  /// Of the last attempt that failed: how the call ends when no other follows.
  var lastOutcome: StreamOutcome?

  init(_ policy: HedgingPolicy) { self.policy = policy }

  func index(of attempt: ClientCallAttempt) -> Int? { running.firstIndex { $0.attempt === attempt } }

  var mayStart: Bool { !isStopped && started < policy.maxAttempts }
}

extension ClientCallState {
  /// The call is this attempt's from now on.
  ///
  /// - Returns: The others, to be cancelled.
  mutating func commit(to attempt: ClientCallAttempt) -> [ClientCallAttempt] {
    guard let hedging, let index = hedging.index(of: attempt) else {
      commit()
      return []
    }
    let own = hedging.running.remove(at: index)
    self.hedging = nil
    phase = .active(attempt)
    lastPeer = attempt.connection.peer
    sentCount = own.sentCount
    isHalfCloseSent = own.isHalfCloseSent
    unsentBytes = frames[own.sentCount...].reduce(0) { $0 + $1.count }
    isFlushScheduled = true  // The caller flushes what this attempt lacks.
    commit()
    return hedging.running.map(\.attempt)
  }

  mutating func hedgeStarted(_ attempt: ClientCallAttempt, _ hedging: HedgingState) -> Bool {
    guard !hasEnded else { return false }
    attempt.previousAttempts = hedging.started - 1
    hedging.running.append(HedgingState.Hedge(attempt: attempt))
    phase = .active(attempt)
    lastPeer = attempt.connection.peer
    return true
  }

  mutating func takeHedgeFlush(for attempt: ClientCallAttempt, _ hedging: HedgingState) -> Flush? {
    guard let index = hedging.index(of: attempt) else { return nil }
    let hedge = hedging.running[index]
    var flush = Flush(frames: frames[hedge.sentCount...], halfClose: isHalfClosed && !hedge.isHalfCloseSent)
    guard !flush.frames.isEmpty || flush.halfClose else { return nil }
    hedging.running[index].sentCount = frames.count
    hedging.running[index].isHalfCloseSent = isHalfClosed
    unsentBytes = 0
    // What is too much to be kept can't be sent to another one.
    if keptBytes > ClientCallState.replayLimit, frames.count > 1 { flush.abandoned = commit(to: attempt) }
    return flush
  }

  enum HedgeVerdict {
    /// The others go on.
    case goOn
    /// The server has not seen it: the same attempt once more, after this time.
    case again(after: Duration)
    case next(after: Duration)
    case end(WaiterList, abandoned: [ClientCallAttempt])
  }

  /// Nil: the call is committed, or over; it is no hedge.
  mutating func hedgeClosed(
    _ outcome: StreamOutcome, on attempt: ClientCallAttempt, throttle: RetryThrottle
  ) -> HedgeVerdict? {
    guard let hedging, let index = hedging.index(of: attempt) else { return nil }
    hedging.running.remove(at: index)
    failedOn.insert(attempt.subchannel.id)
    phase = hedging.running.last.map { .active($0.attempt) } ?? .picking
    if outcome.processing == .unsendable {
      hedging.lastOutcome = outcome
      hedging.isStopped = true
      return hedging.running.isEmpty ? .end(end(outcome), abandoned: []) : .goOn
    }
    switch hedging.transparentRetries.next(after: outcome.processing) {
    case .none: break
    case .now: return .again(after: .zero)
    case .after where !hedging.running.isEmpty: return .goOn
    case .after(let delay): return .again(after: delay)
    case .giveUp where hedging.running.isEmpty:
      return .end(end(TransparentRetries.outcome(givenUp: outcome)), abandoned: [])
    case .giveUp: return .goOn
    }
    let pushback = Pushback(outcome.trailingMetadata)
    let isNonFatal = hedging.policy.nonFatalCodes.contains(outcome.status.code)
    if isNonFatal || pushback == .stop {
      throttle.attemptFailed()
    } else if outcome.status.isOK {
      throttle.attemptSucceeded()
    }
    guard isNonFatal else { return .end(end(outcome), abandoned: hedging.running.map(\.attempt)) }
    hedging.lastOutcome = outcome
    if pushback == .stop { hedging.isStopped = true }
    if hedging.mayStart {
      if case .after(let delay) = pushback { return .next(after: delay) }
      return .next(after: .zero)
    }
    return hedging.running.isEmpty ? .end(end(outcome), abandoned: []) : .goOn
  }

  enum HedgeStart {
    case start
    case none
    case end(WaiterList)
  }

  /// It is time for one more attempt.
  mutating func beginHedge(throttle: RetryThrottle) -> HedgeStart {
    guard let hedging, !hasEnded, hedging.mayStart else { return .none }
    if throttle.mayHedge {
      hedging.started += 1
      return .start
    }
    hedging.isStopped = true
    guard hedging.running.isEmpty, let outcome = hedging.lastOutcome else { return .none }
    return .end(end(outcome))
  }

  /// The attempt that was begun finds no connection.
  ///
  /// - Returns: Whether the call has to wait for one: no other attempt runs.
  mutating func hedgeHasNoConnection() -> Bool {
    guard let hedging, !hasEnded else { return false }
    guard !hedging.running.isEmpty else { return true }
    hedging.started -= 1
    return false
  }
}
