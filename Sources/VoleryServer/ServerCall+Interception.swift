import Synchronization
import VoleryEventLoops
import VoleryTransport
public import VoleryTypes

// What interceptors do to a call: its messages, its deadline.
extension ServerCall {
  @usableFromInline var hasRequestHooks: Bool { interception.hasRequestHooks }
  @usableFromInline var hasResponseHooks: Bool { interception.hasResponseHooks }

  @usableFromInline func interceptedMessage<Message>(
    _ bytes: [UInt8], _ serializer: Serializer<Message>
  ) throws(StatusError) -> Message {
    let hooked: [UInt8]
    do {
      hooked = try interception.request(bytes, serializer)
      // The one request is all of them.
      if hasOneRequest { interception.requestsEnded() }
    } catch {
      throw thrown(error)
    }
    do { return try serializer.deserialize(hooked) } catch { throw unreadable(error) }
  }

  @usableFromInline func interceptedFrame<Message: Sendable>(
    _ message: Message, _ serializer: Serializer<Message>, _ isCompressed: Bool
  ) throws(StatusError) -> MessageFrame {
    var sink = MessageSink()
    do {
      sink.write(try interception.response(message, serializer))
    } catch {
      throw thrown(error)
    }
    return frame(sink.finish(), isCompressed)
  }

  /// What a hook has thrown.
  private func thrown(_ error: any Error) -> StatusError {
    if let error = error as? StatusError { return error }
    if !(error is CancellationError) { interceptorFailed(error) }
    return StatusError(.unknown, "an interceptor has failed")
  }

  /// When the call has to be over: as the client has it, or an interceptor, whichever comes first.
  var deadline: Deadline { interception.deadline ?? clientDeadline }

  /// An interceptor wants the call to be over by then. Any thread; a later deadline than the one that holds changes nothing.
  func end(by deadline: Deadline) {
    guard interception.end(by: deadline, insteadOf: clientDeadline) else { return }
    if loop.isCurrent { scheduleDeadline() } else { loop.execute { [self] in scheduleDeadline() } }
  }

  private func scheduleDeadline() {
    guard !isFinished, let left = deadline.timeRemaining else { return }
    deadlineTimer?.cancel()
    deadlineTimer = stream.transportLoop.scheduleTimer(after: left) { [self] in deadlinePassed() }
  }
}
