import Synchronization
import Tracing
import VoleryObservation

/// Events of the messages of one span (gRFC A72), up to a limit. Of a message that travels compressed only the size as it travels is
/// known where it is told of, so that it is a compressed message's event.
final class MessageEvents: Sendable {
  private let left: Atomic<Int>

  init(limit: Int) { left = Atomic(limit) }

  func sent(_ message: ObservedMessage, on span: any Span) {
    tell(message, plain: "Outbound message", compressed: "Outbound message compressed", on: span)
  }

  func received(_ message: ObservedMessage, on span: any Span) {
    tell(message, plain: "Inbound message", compressed: "Inbound compressed message", on: span)
  }

  private func tell(_ message: ObservedMessage, plain: String, compressed: String, on span: any Span) {
    guard span.isRecording, left.subtract(1, ordering: .relaxed).newValue >= 0 else { return }
    let attributes: SpanAttributes = [
      "sequence-number": .int64(Int64(message.index)),
      message.isCompressed ? "message-size-compressed" : "message-size": .int64(Int64(message.byteCount)),
    ]
    span.addEvent(SpanEvent(name: message.isCompressed ? compressed : plain, attributes: attributes))
  }
}
