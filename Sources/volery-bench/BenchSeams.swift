import ArgumentParser
import CoreMetrics
import InMemoryTracing
import Synchronization
import Volery
import VoleryBinaryLog
import VoleryChannelz
import VoleryMetrics
import VoleryPrometheus
import VoleryStatus
import VoleryTracing

/// What stands around the benchmark's calls or looks at them, at either end.
struct BenchSeams: ParsableArguments {
  @Option(help: "Interceptors that read metadata and go on.") var interceptors = 0
  @Option(help: "Observers that count calls by how they end.") var observers = 0
  @Flag(help: "Metrics, with a backend that does nothing.") var metrics = false

  @Flag(help: "channelz, which looks and is not asked.") var channelz = false
  @Flag(help: "Metrics that count, as a page for Prometheus has them.") var prometheus = false
  @Flag(help: "Spans that are kept in memory.") var tracing = false
  @Flag(help: "The status page.") var status = false
  @Option(help: "A binary log of everything to this file.") var binlog: String?
  @Option(help: "Microseconds for which event loops look again before they wait.") var spin = 0

  /// Before there is an event loop.
  func applyToProcess() throws {
    var settings = ProcessSettings()
    settings.spinsBeforeWaiting = .microseconds(spin)
    try settings.apply()
  }

  private func log() throws -> [BinaryLog] {
    try binlog.map { [try BinaryLog($0, filter: BinaryLogFilter("*"))] } ?? []
  }

  func clientInterceptors() throws -> [any ClientInterceptor] { (0..<interceptors).map { _ in Reader() } + (try log()) }
  func serverInterceptors() throws -> [any ServerInterceptor] { try log() + (0..<interceptors).map { _ in Reader() } }
  var allObservers: [any Observer] {
    var all: [any Observer] = (0..<observers).map { _ in Counter() }
    if metrics { all.append(MetricsObserver(factory: NOOPMetricsHandler.instance)) }
    if prometheus { all.append(MetricsObserver(factory: PrometheusBackend())) }
    if tracing { all.append(TracingObserver(tracer: InMemoryTracer())) }
    if status { all.append(StatusPage()) }
    if channelz { all.append(Channelz()) }
    return all
  }

  private struct Reader: ClientInterceptor, ServerInterceptor {
    func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
      guard call.metadata["x-forbidden"] == nil else { throw StatusError(.permissionDenied, "forbidden") }
      try await next()
    }

    func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
      guard call.metadata["x-forbidden"] == nil else { throw StatusError(.permissionDenied, "forbidden") }
      try await next()
    }
  }

  private final class Counter: Observer, CallObserver, ServerCallObserver {
    private let succeeded = Atomic<Int>(0)
    private let failed = Atomic<Int>(0)
    private let time = Atomic<Int>(0)

    private func count(_ code: StatusCode, _ nanoseconds: Int64) {
      if code == .ok { succeeded.add(1, ordering: .relaxed) } else { failed.add(1, ordering: .relaxed) }
      time.add(Int(nanoseconds), ordering: .relaxed)
    }

    // What a count has no use for.
    var hearsAttempts: Bool { false }
    var hearsMessages: Bool { false }

    func callStarted(_ call: ObservedCall) -> (any CallObserver)? { self }
    func ended(_ end: CallEnd) { count(end.code, end.nanoseconds) }
    func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? { self }
    func ended(_ end: ServerCallEnd) { count(end.code, end.nanoseconds) }
  }
}
