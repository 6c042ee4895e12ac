import VoleryHTTP2Transport
import VoleryTransport
import VoleryTypes

/// What a caller holds of a streaming call: when the last copy is gone, nobody can take the answer any more, and the call
/// is cancelled (nothing happens to one that is over).
final class CallHandle: Sendable {
  let call: ClientCall

  init(_ call: ClientCall) { self.call = call }

  deinit { call.cancel() }
}

extension CallHandle {
  func send<Message>(
    _ message: Message, _ serializer: Serializer<Message>, isCompressed: Bool
  ) async throws(StatusError) {
    try await call.send(call.frame(message, serializer, isCompressed: isCompressed))
  }
}

extension ClientCall {
  /// A framed message, compressed as the call's requests are unless `isCompressed` is false; what the serializer throws ends
  /// the call with INTERNAL.
  func frame<Message>(
    _ message: Message, _ serializer: Serializer<Message>, isCompressed: Bool = true
  ) throws(StatusError) -> MessageFrame {
    var sink = MessageSink()
    do {
      try serializer.serialize(message, &sink)
    } catch {
      throw ended(with: StatusError(.internal, "a request message of \(method.path) can't be serialized: \(error)"))
    }
    let frame = sink.finish()
    return compression == .identity || !isCompressed ? frame : compression.compress(frame)
  }

  func message<Message>(
    _ received: ReceivedMessage, _ serializer: Serializer<Message>
  ) throws(StatusError) -> Message {
    let bytes: [UInt8]
    do throws(StatusError) { bytes = try inflate(received) } catch { throw ended(with: error) }
    do {
      return try serializer.deserialize(bytes)
    } catch {
      throw ended(with: StatusError(.internal, "a response message of \(method.path) can't be read: \(error)"))
    }
  }

  private func ended(with error: StatusError) -> StatusError {
    end(error)
    return error.ofCall
  }
}
