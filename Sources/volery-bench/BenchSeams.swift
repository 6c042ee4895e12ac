import ArgumentParser
import CoreMetrics
import Synchronization
import Volery
import VoleryChannelz
import VoleryMetrics

/// What stands around the benchmark's calls or looks at them, at either end.
struct BenchSeams: ParsableArguments {
  @Option(help: "Interceptors that read metadata and go on.") var interceptors = 0
  @Option(help: "Observers that count calls by how they end.") var observers = 0
  @Flag(help: "Metrics, with a backend that does nothing.") var metrics = false

  @Flag(help: "channelz, which looks and is not asked.") var channelz = false

  var clientInterceptors: [any ClientInterceptor] { (0..<interceptors).map { _ in Reader() } }
  var serverInterceptors: [any ServerInterceptor] { (0..<interceptors).map { _ in Reader() } }
  var allObservers: [any Observer] {
    (0..<observers).map { _ in Counter() } + (metrics ? [MetricsObserver(factory: NOOPMetricsHandler.instance)] : [])
      + (channelz ? [Channelz()] : [])
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
