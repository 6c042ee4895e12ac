import Synchronization
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

// What interceptors do with a call (`InterceptedCall`).
extension ClientCall {
  /// Before it starts.
  func setDeadline(_ deadline: Deadline) {
    deadlineTimer?.set(deadline)
    startDeadlineTimer(on: channel.loop)
  }

  /// Starts the call, as the last interceptor has left it.
  func goOn(with metadata: Metadata) {
    setMetadata(metadata)
    let (mayStart, waiters) = state.withLock { $0.goneOn() }
    if mayStart { start(channel.published.current) }
    waiters.resumeAll()
  }

  /// Waits until interceptors have gone on, or the call is over.
  func untilStarted() async { await suspend { $0.waitForStart($1) } }

  /// Waits until the attempts have ended, or the call was ended from this side.
  func attemptsOutcome() async -> StreamOutcome {
    while true {
      if let outcome = state.withLock({ $0.outcome }) { return outcome }
      await suspend { $0.waitForAttempts($1) }
    }
  }
}
