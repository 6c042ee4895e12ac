import InMemoryTracing
import Synchronization
import Tracing

/// Keeps spans in memory, with W3C's ids, and has their contexts travel as W3C's trace context does (`traceparent`): what the tracers
/// that programs use do.
struct W3CTracer: Tracer {
  typealias Span = InMemorySpan

  let spans = InMemoryTracer(
    idGenerator: .init(nextTraceID: { W3CTracer.hex(32) }, nextSpanID: { W3CTracer.hex(16) }),
    recordInjections: false, recordExtractions: false)

  private static func hex(_ count: Int) -> String {
    String((0..<count).map { _ in "0123456789abcdef".randomElement()! })
  }

  func startSpan<Instant: TracerInstant>(
    _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
    at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
  ) -> InMemorySpan {
    spans.startSpan(
      operationName, context: context(), ofKind: kind, at: instant(), function: function, file: fileID, line: line)
  }

  func forceFlush() {}

  func inject<Carrier, Inject: Injector>(
    _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
  ) where Inject.Carrier == Carrier {
    guard let span = context.inMemorySpanContext else { return }
    injector.inject("00-\(span.traceID)-\(span.spanID)-01", forKey: "traceparent", into: &carrier)
  }

  func extract<Carrier, Extract: Extractor>(
    _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
  ) where Extract.Carrier == Carrier {
    let parts = extractor.extract(key: "traceparent", from: carrier)?.split(separator: "-") ?? []
    guard parts.count == 4, parts[0] == "00", parts[1].count == 32, parts[2].count == 16 else { return }
    context.inMemorySpanContext = InMemorySpanContext(
      traceID: String(parts[1]), spanID: String(parts[2]), parentSpanID: nil)
  }

  /// The finished ones whose name begins so, in the order of their ends.
  func finished(_ name: String = "") -> [FinishedInMemorySpan] {
    spans.finishedSpans.filter { $0.operationName.hasPrefix(name) }
  }
}

extension FinishedInMemorySpan {
  func value(_ attribute: String) -> SpanAttribute? { attributes.get(attribute) }

  var eventNames: [String] { events.map(\.name) }
}
