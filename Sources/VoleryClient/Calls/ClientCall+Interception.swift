import Synchronization
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

// What interceptors do with a call (`InterceptedCall`).
extension ClientCall {
  /// Starts the call, as the last interceptor has left it.
  ///
  /// - Parameter request: The one of a call whose client does not stream.
  func goOn(with request: consuming MessageFrame?, _ snapshot: PublishedPicker) {
    let outbox = request.map { Outbox(only: $0) }
    let (mayStart, waiters) = state.withLock { $0.goneOn(outbox) }
    if mayStart { start(snapshot) }
    waiters.resumeAll()
  }

  /// Waits until interceptors have gone on, or the call is over.
  func untilStarted() async { await suspend { $0.waitForStart($1) } }
}
