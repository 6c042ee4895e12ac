import CoreMetrics
import Synchronization

protocol Series: AnyObject, Sendable {
  /// A value, or how many.
  var total: Double { get }
}

final class CounterSeries: Series, CounterHandler {
  private let count = Atomic<Int64>(0)

  var total: Double { Double(count.load(ordering: .relaxed)) }
  func increment(by amount: Int64) { count.add(amount, ordering: .relaxed) }
  func reset() { count.store(0, ordering: .relaxed) }
}

final class GaugeSeries: Series, MeterHandler, RecorderHandler {
  private let value = Mutex(0.0)

  var total: Double { value.withLock { $0 } }
  func set(_ value: Int64) { set(Double(value)) }
  func set(_ value: Double) { self.value.withLock { $0 = value } }
  func increment(by amount: Double) { value.withLock { $0 += amount } }
  func decrement(by amount: Double) { value.withLock { $0 -= amount } }
  func record(_ value: Int64) { set(Double(value)) }
  func record(_ value: Double) { set(value) }
}

final class HistogramSeries: Series, RecorderHandler, TimerHandler {
  static let defaultBounds: [Double] = [1, 10, 100, 1000, 10_000]

  private struct State {
    var counts: [Int]
    var sum = 0.0
  }

  private let bounds: [Double]
  private let state: Mutex<State>

  init(_ bounds: [Double]) {
    self.bounds = bounds
    state = Mutex(State(counts: [Int](repeating: 0, count: bounds.count + 1)))
  }

  var snapshot: HistogramValue {
    let (counts, sum) = state.withLock { ($0.counts, $0.sum) }
    return HistogramValue(bounds: bounds, counts: counts, sum: sum)
  }

  var total: Double { Double(snapshot.count) }

  /// A bound belongs to its own bucket: they are upper bounds.
  func record(_ value: Double) {
    let index = bounds.firstIndex { value <= $0 } ?? bounds.count
    state.withLock { state in
      state.counts[index] += 1
      state.sum += value
    }
  }

  func record(_ value: Int64) { record(Double(value)) }
  func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1_000_000_000) }
}
