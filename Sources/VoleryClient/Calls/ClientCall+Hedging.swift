import Synchronization
import VoleryLoadBalancing
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// A hedged call's timer. In the channel's control plane.
final class HedgeTimer: @unchecked Sendable {
  private var timer: (any TransportTimer)?
  private var isOver = false

  func schedule(on loop: any TransportLoop, after delay: Duration, _ work: @escaping @Sendable () -> Void) {
    timer?.cancel()
    guard !isOver else { return }
    timer = loop.scheduleTimer(after: delay, work)
  }

  func cancel() { timer.take()?.cancel() }

  /// The call is over: nothing is started any more.
  func end() {
    isOver = true
    cancel()
  }
}

// Hedging (gRFC A6): the same call on one server after the other, until one has answered.
extension ClientCall {
  /// The next attempt begins after this time; any other time that was set for it counts no more.
  func scheduleHedge(after delay: Duration) {
    guard let hedgeTimer else { return }
    core.loop.execute { [self] in
      guard delay > .zero else {
        hedgeTimer.cancel()
        return hedge()
      }
      hedgeTimer.schedule(on: core.loop, after: delay) { [weak self] in self?.hedge() }
    }
  }

  private func hedge() {
    switch state.withLock({ $0.beginHedge(throttle: core.retryThrottle) }) {
    case .start: startHedge()
    case .none: return
    case .end(let waiters): ended(waiters)
    }
  }

  private func startHedge() {
    let tried = state.withLock { state in state.failedOn.union(state.attempts.map(\.subchannel.id)) }
    switch picked(besides: tried) {
    case .connection(let connection, let subchannel): startAttempt(on: connection, subchannel)
    case .wait, .fail, .drop: hedgeFoundNone()
    }
  }

  /// The others go on; without others it is as for any call.
  private func hedgeFoundNone() {
    if state.withLock({ $0.hedgeHasNoConnection() }) {
      pickAgain()
    } else {
      scheduleHedge(after: max(hedgingDelay, .milliseconds(100)))
    }
  }

  /// Everything that has been queued goes to every attempt.
  func flushHedges() {
    let attempts = state.withLock { $0.attempts }
    for attempt in attempts { attempt.onLoop { [self] in flush(attempt) } }
  }

  /// Returns whether the attempt was one of several.
  func hedgeClosed(_ outcome: StreamOutcome, on attempt: ClientCallAttempt) -> Bool {
    switch state.withLock({ $0.hedgeClosed(outcome, on: attempt, throttle: core.retryThrottle) }) {
    case nil: return false
    case .goOn: break
    case .again(after: .zero): core.loop.execute { [self] in startHedge() }
    case .again(let delay):
      core.loop.execute { [self] in retry(after: delay, on: core.loop) { $0.startHedge() } }
    case .next(let delay): scheduleHedge(after: delay)
    case .end(let waiters, let abandoned):
      abandon(abandoned)
      ended(waiters)
    }
    return true
  }

  func abandon(_ attempts: [ClientCallAttempt]) {
    for attempt in attempts { attempt.onLoop { attempt.cancel(code: .cancelled) } }
  }
}
