import CoreMetrics
import Synchronization
import TestSupport
import Testing
import Volery
import VoleryMetrics

/// Backends of swift-metrics that do a program no good: its calls are answered all the same.
@Suite("Metrics with a bad backend", .timeLimit(.minutes(1))) struct BadBackendTests {
  /// Takes its time for each value, on the thread that brings it.
  final class SlowBackend: MetricsFactory {
    final class Handler: CounterHandler, RecorderHandler, TimerHandler, MeterHandler {
      let values = Atomic(0)

      private func take() {
        let end = ContinuousClock.now + .microseconds(200)
        while ContinuousClock.now < end {}
        values.add(1, ordering: .relaxed)
      }

      func increment(by amount: Int64) { take() }
      func reset() {}
      func record(_ value: Int64) { take() }
      func record(_ value: Double) { take() }
      func recordNanoseconds(_ duration: Int64) { take() }
      func set(_ value: Int64) { take() }
      func set(_ value: Double) { take() }
      func increment(by amount: Double) { take() }
      func decrement(by amount: Double) { take() }
    }

    let handler = Handler()

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { handler }
    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler { handler }
    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { handler }
    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler { handler }
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
  }

  /// Fifty calls at once, each of which has its own answer.
  func answered(by backend: any MetricsFactory) async throws {
    try await Subject.run(
      Subject(), server: [MetricsObserver(factory: backend)], client: [MetricsObserver(factory: backend)]
    ) { channel in
      try await withThrowingTaskGroup(of: Bool.self) { calls in
        for number in UInt8(0)..<50 {
          calls.addTask {
            let answer = try await channel.unary(Subject.echo, [number], options: CallOptions(timeout: .seconds(30)))
            return answer.message == [number]
          }
        }
        for try await isRight in calls { #expect(isRight) }
      }
    }
  }

  @Test("one that is slow makes calls later, and none is lost") func slow() async throws {
    let backend = SlowBackend()
    try await answered(by: backend)
    // At each end a call has begun, has ended, and has had sizes.
    try await eventually("the backend has been told of every call") {
      backend.handler.values.load(ordering: .relaxed) >= 50 * 8
    }
  }

  @Test("one that throws everything away costs no call anything") func noOp() async throws {
    try await answered(by: NOOPMetricsHandler.instance)
  }
}
