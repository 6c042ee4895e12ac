import Synchronization
import Tracing
import VoleryObservation
import VoleryTypes

/// A channel's call, from its beginning to the caller's answer.
final class ClientCallSpan: CallObserver {
  private let span: any Span
  private let names: CallNames
  private let tracer: any Tracer
  private let channel: Int
  private let resolutions: ResolutionRecord
  /// The name was not resolved when the call began, and that is not told yet.
  private let waitsForName: Atomic<Bool>

  /// In the caller's task: whose context it takes.
  init(
    _ call: ObservedCall, _ tracer: any Tracer, _ options: TracingOptions, resolutions: ResolutionRecord,
    waitsForName: Bool
  ) {
    names = CallNames(options: options, method: call.method)
    self.tracer = tracer
    self.resolutions = resolutions
    self.waitsForName = Atomic(waitsForName)
    channel = call.channel.id
    span = tracer.startSpan(
      names.spanName("Sent"), context: ServiceContext.current ?? .topLevel, ofKind: .client)
    guard options.conventions.usesOpenTelemetry else { return }
    var attributes = names.attributes()
    let server = ServerName(target: call.channel.target)
    attributes["server.address"] = server.address
    if let port = Int64(server.port) { attributes["server.port"] = port }
    span.updateAttributes { $0.merge(attributes) }
  }

  func attemptStarted(_ attempt: ObservedAttempt, metadata: inout Metadata) -> (any AttemptObserver)? {
    if waitsForName.exchange(false, ordering: .relaxed), attempt.waited > .zero { tellDelay() }
    let attemptSpan = tracer.startSpan(names.spanName("Attempt"), context: span.context, ofKind: .internal)
    tracer.inject(attemptSpan.context, into: &metadata, using: MetadataInjector())
    if attemptSpan.isRecording { describe(attemptSpan, attempt) }
    return AttemptSpan(attemptSpan, names)
  }

  private func tellDelay() {
    let time = resolutions.time(channel) ?? DefaultTracerClock.now
    span.addEvent(SpanEvent(name: "Delayed name resolution complete", at: time))
  }

  private func describe(_ span: any Span, _ attempt: ObservedAttempt) {
    span.updateAttributes { attributes in
      attributes["previous-rpc-attempts"] = Int64(attempt.previousAttempts)
      attributes["transparent-retry"] = (attempt.cause == .transparentRetry)
      guard names.options.conventions.usesOpenTelemetry else { return }
      attributes.set("network.peer", attempt.peer.address)
    }
    if attempt.waited > .zero { span.addEvent(SpanEvent(name: "Delayed LB pick complete")) }
  }

  func ended(_ end: CallEnd) { names.end(span, end.status, isError: end.code != .ok) }
}

/// One attempt, whose context its server gets.
private final class AttemptSpan: AttemptObserver {
  private let span: any Span
  private let names: CallNames
  private let messages: MessageEvents

  init(_ span: any Span, _ names: CallNames) {
    self.span = span
    self.names = names
    messages = MessageEvents(limit: names.options.maxMessageEvents)
  }

  func sent(_ message: ObservedMessage) { messages.sent(message, on: span) }
  func received(_ message: ObservedMessage) { messages.received(message, on: span) }
  var hearsUncompressedSizes: Bool { messages.wantsSizes(on: span) }
  func ended(_ end: AttemptEnd) { names.end(span, end.status, isError: end.code != .ok) }
}
