/// Turns messages of one type into bytes and back: how a type travels that does not conform to `WireMessage` itself, or
/// that should travel in another form than its own.
public struct Serializer<Message: Sendable>: Sendable {
  /// What follows `application/grpc+` in the content-type; nil for plain `application/grpc`.
  public let contentSubtype: String?
  /// Writes a message; may throw, which fails the call with INTERNAL.
  public let serialize: @Sendable (Message, inout MessageSink) throws -> Void
  /// Reads a message from an array that it may keep; may throw, which fails the call with INTERNAL.
  public let deserialize: @Sendable ([UInt8]) throws -> Message

  /// A form of your own; both functions are called once a message, on the task that makes or handles the call.
  ///
  /// - Parameters:
  ///   - contentSubtype: What follows `application/grpc+` in the content-type; nil by default: plain `application/grpc`.
  ///   - serialize: Writes the message to the sink; what it throws fails the call with INTERNAL.
  ///   - deserialize: Reads a message from all of its bytes; what it throws fails the call with INTERNAL.
  public init(
    contentSubtype: String? = nil,
    serialize: @escaping @Sendable (Message, inout MessageSink) throws -> Void,
    deserialize: @escaping @Sendable ([UInt8]) throws -> Message
  ) {
    self.contentSubtype = contentSubtype
    self.serialize = serialize
    self.deserialize = deserialize
  }
}

extension Serializer where Message: WireMessage {
  /// The type's own form.
  @inlinable public static var wire: Serializer<Message> {
    Serializer(
      contentSubtype: Message.contentSubtype,
      serialize: { message, sink in try message.serialize(into: &sink) },
      deserialize: { try Message(wireArray: $0) })
  }
}
