import Synchronization
public import VoleryTypes

// The messages of a call that interceptors stand around.
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
}
