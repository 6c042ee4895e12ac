import Synchronization
import Tracing
import VoleryObservation

/// Events of the messages of one span (gRFC A72), up to a limit: one for each, which has both sizes where it travels compressed. Of a
/// compressed message whose other size can't be said there is the event that the gRFC has for the compressed size alone.
final class MessageEvents: Sendable {
  private let left: Atomic<Int>

  init(limit: Int) { left = Atomic(limit) }

  func sent(_ message: ObservedMessage, on span: any Span) {
    tell(message, "Outbound message", compressed: "Outbound message compressed", on: span)
  }

  func received(_ message: ObservedMessage, on span: any Span) {
    tell(message, "Inbound message", compressed: "Inbound compressed message", on: span)
  }

  /// Whether sizes would be told.
  func wantsSizes(on span: any Span) -> Bool { span.isRecording && left.load(ordering: .relaxed) > 0 }

  private func tell(_ message: ObservedMessage, _ name: String, compressed: String, on span: any Span) {
    guard span.isRecording, left.subtract(1, ordering: .relaxed).newValue >= 0 else { return }
    var attributes: SpanAttributes = ["sequence-number": .int64(Int64(message.index))]
    if let size = message.uncompressedByteCount { attributes["message-size"] = Int64(size) }
    if message.isCompressed { attributes["message-size-compressed"] = Int64(message.byteCount) }
    span.addEvent(
      SpanEvent(name: message.uncompressedByteCount == nil ? compressed : name, attributes: attributes))
  }
}
