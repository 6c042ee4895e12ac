import Synchronization
import VoleryEventLoops
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

// How a call ends.
extension ServerCall {
  /// The handler of a method whose server streams has done what it should. That is how the call ends, unless interceptors say
  /// something else.
  @usableFromInline func handlerEnded() {
    if !isIntercepted { settle(with: nil) }
  }

  /// The handler has thrown this: the same.
  ///
  /// - Throws: It, where interceptors are to see it.
  @usableFromInline func handlerFailed(_ error: any Error) throws {
    guard !isIntercepted else {
      interception.handlerFailed()
      throw error
    }
    settle(with: error)
  }

  /// The outermost interceptor has returned, or thrown. Nothing where there is none.
  func interceptorsReturned(_ error: (any Error)?) {
    guard isIntercepted else { return }
    if let error { return settle(with: error) }
    guard interception.mayReturn(0) else { return settle(with: answer(to: .neither, by: entry.interceptors[0])) }
    if loop.isCurrent { return finishHeld() }
    loop.execute { [self] in finishHeld() }
  }

  private func finishHeld() {
    if let response = heldResponse.take() { finish(with: response) } else { finish(nil) }
  }

  /// With its one response.
  func finish(with response: MessageFrame) {
    sendNow(response)
    finish(nil)
  }

  /// Ends the call.
  private func settle(with error: (any Error)?) {
    let failure = error.map { answer(to: $0) }
    // Without a closure where the handler is on the loop already.
    if loop.isCurrent { return finish(failure) }
    loop.execute { [self] in finish(failure) }
  }

  private func finish(_ failure: StatusError?) {
    handlerReturned()
    var trailing = responseMetadata.trailing
    if let failure { trailing.append(contentsOf: failure.metadata) }
    if let recorder = dispatcher.loadRecorder { addLoadReport(of: recorder, to: &trailing) }
    finish(failure?.status ?? .ok, trailing: trailing)
  }

  /// What a handler throws, as its client sees it: nothing of what only this server's own people should know, which goes
  /// into the log instead. What a call of the handler's own came to is no answer to the client: its text names servers
  /// behind this one, and its code would have the client act (retry) as if this server had said it.
  private func answer(to error: any Error) -> StatusError {
    switch error {
    case let error as StatusError where error.origin == .local: return error
    case is StatusError:
      dispatcher.log.report(.innerCall, error, of: self, isOver: isCancelled)
      return StatusError(.unknown, "a call that the handler made has failed")
    case is CancellationError: return StatusError(.cancelled, "the handler was cancelled")
    default:
      if isIntercepted, !interception.hasHandlerFailed {
        interceptorFailed(error)
      } else {
        dispatcher.log.report(.failed, error, of: self, isOver: isCancelled)
      }
      return StatusError(.unknown, "the handler has failed")
    }
  }

  /// An interceptor, or a hook of one, has thrown what is no `StatusError`. The log has its name where that is known: the one that has
  /// the call, or the only one.
  func interceptorFailed(_ error: any Error) {
    let interceptors = entry.interceptors
    let index = interception.firstThatHasNotGoneOn(of: interceptors.count) ?? (interceptors.count == 1 ? 0 : nil)
    dispatcher.log.report(
      .interceptor, error, of: self, isOver: isCancelled, by: index.map { type(of: interceptors[$0]) })
  }

  /// An interceptor has done what it may not: the log has its name, the client has not.
  func answer(to fault: Interception.Fault, by interceptor: any ServerInterceptor) -> StatusError {
    dispatcher.log.report(
      .interceptor, Interception.error(fault, by: interceptor), of: self, isOver: isCancelled, by: type(of: interceptor)
    )
    return StatusError(.internal, "an interceptor of the server \(fault.rawValue)")
  }

  func finish(_ status: Status, trailing: Metadata) {
    guard !isFinished else { return }
    isFinished = true
    // Tasks that the handler has left behind look again.
    defer { wakeAll() }
    if !inbox.isEmpty { inbox = Queue() }
    if !hasSentHeaders {
      let initial = responseMetadata.initial
      if !initial.isEmpty {
        if let violation = initial.responseViolation {
          return end(status.without("initial metadata", violation), Metadata())
        }
        watch?.sent(initial)
        stream.sendInitialMetadata(initial, messageEncoding: nil)
      }
    }
    if !trailing.isEmpty, let violation = trailing.responseViolation {
      return end(status.without("trailing metadata", violation), Metadata())
    }
    end(status, trailing)
  }

  private func end(_ status: Status, _ trailing: Metadata) {
    watch?.answers(status)
    stream.finish(status, trailingMetadata: trailing)
  }
}
