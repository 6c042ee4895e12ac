import VoleryTypes

/// What a caller holds of a streaming call: when the last copy is gone, nobody can take the answer any more, and the call
/// is cancelled (nothing happens to one that is over).
final class CallHandle: Sendable {
  let call: ClientCall

  init(_ call: ClientCall) { self.call = call }

  deinit { call.cancel() }
}

extension CallHandle {
  func send<Message>(_ message: Message, _ serializer: Serializer<Message>) async throws(StatusError) {
    try await call.send(call.frame(message, serializer))
  }
}

extension ClientCall {
  /// A framed message; what the serializer throws ends the call with INTERNAL.
  func frame<Message>(_ message: Message, _ serializer: Serializer<Message>) throws(StatusError) -> [UInt8] {
    var sink = MessageSink()
    do {
      try serializer.serialize(message, &sink)
    } catch {
      throw ended(with: StatusError(.internal, "a request message of \(method.path) can't be serialized: \(error)"))
    }
    return sink.finish()
  }

  func message<Message>(_ bytes: [UInt8], _ serializer: Serializer<Message>) throws(StatusError) -> Message {
    do {
      return try serializer.deserialize(bytes)
    } catch {
      throw ended(with: StatusError(.internal, "a response message of \(method.path) can't be read: \(error)"))
    }
  }

  private func ended(with error: StatusError) -> StatusError {
    end(error)
    return error
  }
}
