import Tracing
import VoleryObservation
import VoleryTypes

/// A server's call. What its handler has thrown, and a deadline that it has overrun, are in the status with which it ends.
final class ServerCallSpan: ServerCallObserver {
  private let span: any Span
  private let names: CallNames
  private let messages: MessageEvents

  init(_ call: ObservedServerCall, _ tracer: any Tracer, _ options: TracingOptions) {
    names = CallNames(options: options, method: call.isRegistered ? call.method : nil)
    messages = MessageEvents(limit: options.maxMessageEvents)
    var context = ServiceContext.topLevel
    tracer.extract(call.metadata, into: &context, using: MetadataExtractor())
    span = tracer.startSpan(names.spanName("Recv"), context: context, ofKind: .server)
    guard options.conventions.usesOpenTelemetry, span.isRecording else { return }
    var attributes = names.attributes(original: call.method)
    attributes.set("network.peer", call.peer.address)
    attributes.set("client", call.peer.address)
    if let address = call.peer.localAddress { attributes.set("server", address) }
    span.updateAttributes { $0.merge(attributes) }
  }

  /// The calls that it makes are the span's children.
  var handlerBinding: HandlerBinding? { HandlerBinding(ServiceContext.$current, to: span.context) }

  func received(_ message: ObservedMessage) { messages.received(message, on: span) }
  func sent(_ message: ObservedMessage) { messages.sent(message, on: span) }
  var hearsUncompressedSizes: Bool { messages.wantsSizes(on: span) }

  func ended(_ end: ServerCallEnd) { names.end(span, end.status, isError: end.code.isServerError) }
}
