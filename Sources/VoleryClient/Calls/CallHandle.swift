import Synchronization
import VoleryTypes

/// What a caller holds of a streaming call: when the last copy is gone, nobody can take the answer any more, and the call
/// is cancelled (nothing happens to one that is over).
final class CallHandle: Sendable {
  let call: ClientCall
  /// In which interceptors run; nil without them.
  private let interception = Mutex<Task<Void, Never>?>(nil)

  init(_ call: ClientCall) { self.call = call }

  deinit {
    call.cancel()
    if call.isIntercepted { call.interception.forgetHooks() }
    interception.withLock { $0 }?.cancel()
  }

  /// Runs the interceptors, which start the call. They begin here and now, up to where the first one waits.
  func intercept() {
    let task = call.startInterceptors()
    interception.withLock { $0 = task }
  }

  func send<Message>(
    _ message: Message, _ serializer: Serializer<Message>, isCompressed: Bool
  ) async throws(StatusError) {
    // Interceptors may have more to say of the messages before they go on.
    if call.isIntercepted { await call.untilStarted() }
    try await call.send(call.frame(message, serializer, isCompressed: isCompressed))
  }

  /// There are no more requests.
  func finish() {
    if call.isIntercepted { call.interception.requestsEnded() }
    call.halfClose()
  }

  /// The caller has come to the end of the responses.
  func responsesEnded() {
    if call.isIntercepted { call.interception.responsesEnded() }
  }
}
