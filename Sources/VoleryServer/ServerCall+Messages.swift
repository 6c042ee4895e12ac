import Synchronization
import VoleryHTTP2Transport
import VoleryTransport
public import VoleryTypes

// Bytes to messages, and back.
extension ServerCall {
  func inflate(_ received: ReceivedMessage) throws(StatusError) -> [UInt8] {
    wasRequestCompressed.store(received.isCompressed, ordering: .relaxed)
    guard received.isCompressed else { return received.bytes }
    return try requestCompression.inflate(received, limit: dispatcher.maxRequestMessageBytes)
  }

  /// For observers.
  func inflatedByteCount(ofRequest message: [UInt8]) -> Int? {
    requestCompression.inflatedByteCount(of: message, limit: dispatcher.maxRequestMessageBytes)
  }

  /// For observers.
  func inflatedByteCount(ofResponse frame: MessageFrame) -> Int? {
    responseCompression.current.inflatedByteCount(of: frame.head, behind: MessageSink.prefixByteCount)
  }

  @inlinable func message<Message>(
    _ bytes: [UInt8], _ serializer: Serializer<Message>
  ) throws(StatusError) -> Message {
    if isIntercepted, hasRequestHooks { return try interceptedMessage(bytes, serializer) }
    do { return try serializer.deserialize(bytes) } catch { throw unreadable(error) }
  }

  @usableFromInline func unreadable(_ error: any Error) -> StatusError {
    dispatcher.log.report(.unreadable, error, of: self, isOver: isCancelled)
    return StatusError(.internal, "a request of \(method.path) can't be read")
  }

  /// A framed response, compressed as the call's responses are unless `isCompressed` is false.
  @inlinable func frame<Message>(
    _ message: Message, _ serializer: Serializer<Message>, isCompressed: Bool = true
  ) throws(StatusError) -> MessageFrame {
    if isIntercepted, hasResponseHooks { return try interceptedFrame(message, serializer, isCompressed) }
    var sink = MessageSink()
    do { try serializer.serialize(message, &sink) } catch { throw unserializable(error) }
    return frame(sink.finish(), isCompressed)
  }

  @usableFromInline func frame(_ frame: MessageFrame, _ isCompressed: Bool) -> MessageFrame {
    let compression = responseCompression.fix()
    return compression == .identity || !isCompressed ? frame : compression.compress(frame)
  }

  @usableFromInline func unserializable(_ error: any Error) -> StatusError {
    dispatcher.log.report(.unserializable, error, of: self, isOver: isCancelled)
    return StatusError(.internal, "a response of \(method.path) can't be serialized")
  }
}
