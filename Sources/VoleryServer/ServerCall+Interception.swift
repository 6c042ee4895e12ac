import Synchronization
import VoleryTransport
public import VoleryTypes

// What interceptors do to a call: its messages, its deadline.
extension ServerCall {
  @usableFromInline func interceptedMessage<Message>(
    _ bytes: [UInt8], _ serializer: Serializer<Message>
  ) throws(StatusError) -> Message {
    var bytes = bytes
    if let interception {
      do { bytes = try interception.request(bytes, serializer) } catch { throw thrown(error) }
    }
    do { return try serializer.deserialize(bytes) } catch { throw unreadable(error) }
  }

  @usableFromInline func interceptedFrame<Message: Sendable>(
    _ message: Message, _ serializer: Serializer<Message>, _ isCompressed: Bool
  ) throws(StatusError) -> MessageFrame {
    var sink = MessageSink()
    var hooked: [UInt8]?
    do { hooked = try interception?.response(message, serializer) } catch { throw thrown(error) }
    if let hooked {
      sink.write(hooked)
    } else {
      do { try serializer.serialize(message, &sink) } catch { throw unserializable(error) }
    }
    return frame(sink.finish(), isCompressed)
  }

  /// What a hook has thrown.
  private func thrown(_ error: any Error) -> StatusError {
    error as? StatusError ?? StatusError(.unknown, "an interceptor has failed")
  }

  /// When the call has to be over: as the client has it, or an interceptor, whichever comes first.
  var deadline: Deadline { interception?.held.withLock { $0.deadline } ?? clientDeadline }

  /// An interceptor wants the call to be over by then. Any thread; a later deadline than the one that holds changes nothing.
  func end(by deadline: Deadline) {
    let isEarlier = interception?.held.withLock { held in
      guard deadline < held.deadline ?? clientDeadline else { return false }
      held.deadline = deadline
      return true
    }
    guard isEarlier == true else { return }
    if loop.isCurrent { scheduleDeadline() } else { loop.execute { [self] in scheduleDeadline() } }
  }

  private func scheduleDeadline() {
    guard !isFinished, let left = deadline.timeRemaining else { return }
    deadlineTimer?.cancel()
    deadlineTimer = loop.scheduleTimer(after: left) { [self] in deadlinePassed() }
  }
}
