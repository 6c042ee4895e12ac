package import CoreMetrics
import Synchronization
import VoleryMetrics

/// A small backend of swift-metrics that keeps everything in memory and writes it in Prometheus' text format. It takes units, texts
/// and histograms' bounds from `MetricDescription`; metrics of other libraries are written without.
package final class PrometheusBackend: MetricsFactory {
  struct Key: Hashable {
    let name: String
    let labels: [Label]
  }

  struct Label: Hashable {
    let name: String
    let value: String
  }

  /// By name, and by labels.
  private let series = Mutex<[String: [Key: any Series]]>([:])

  package init() {}

  /// The series with this name and these labels, made if there is none: two handlers with the same labels are one.
  private func find<Kind: Series>(_ name: String, _ labels: [(String, String)], _ make: () -> Kind) -> Kind {
    let key = Key(name: name, labels: labels.map { Label(name: $0.0, value: $0.1) })
    return series.withLock { series in
      if let found = series[name]?[key] as? Kind { return found }
      let made = make()
      series[name, default: [:]][key] = made
      return made
    }
  }

  private func remove(_ gone: AnyObject) {
    series.withLock { series in
      for name in series.keys { series[name] = series[name]?.filter { $0.value !== gone } }
      series = series.filter { !$0.value.isEmpty }
    }
  }

  // MARK: MetricsFactory

  package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    find(label, dimensions) { CounterSeries() }
  }

  package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    find(label, dimensions) { GaugeSeries() }
  }

  package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
    guard aggregate else { return find(label, dimensions) { GaugeSeries() } }
    let bounds = MetricDescription.named(label)?.bounds ?? HistogramSeries.defaultBounds
    return find(label, dimensions) { HistogramSeries(bounds) }
  }

  package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    let bounds = MetricDescription.named(label)?.bounds ?? HistogramBounds.latency
    return find(label, dimensions) { HistogramSeries(bounds) }
  }

  package func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
  package func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
  package func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
  package func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

  // MARK: Reading

  /// Everything, in the text format (version 0.0.4).
  package var text: String {
    let all = series.withLock { $0 }
    return all.keys.sorted().map { name in Exposition.text(name, all[name] ?? [:]) }.joined()
  }

  /// The value of a counter or gauge; of a histogram, how many it has counted. Nil: there is no such series.
  package func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
    let found = find(name, labels)
    return found.isEmpty ? nil : found.map(\.value.total).reduce(0, +)
  }

  /// The sum of a histogram's values, and how many are in each of its buckets, the last one beyond all bounds.
  package func histogram(_ name: String, _ labels: [String: String] = [:]) -> HistogramValue? {
    find(name, labels).lazy.compactMap { ($0.value as? HistogramSeries)?.snapshot }.first
  }

  /// The series that have these labels, and perhaps others.
  package func labels(_ name: String) -> [[String: String]] {
    find(name, [:]).map { Dictionary(uniqueKeysWithValues: $0.key.labels.map { ($0.name, $0.value) }) }
  }

  package var names: [String] { series.withLock { $0.keys.sorted() } }

  private func find(_ name: String, _ labels: [String: String]) -> [(key: Key, value: any Series)] {
    let all = series.withLock { $0[name] } ?? [:]
    return all.filter { key, _ in
      labels.allSatisfy { name, value in key.labels.contains { $0.name == name && $0.value == value } }
    }.map { (key: $0.key, value: $0.value) }
  }
}

/// What a histogram has counted.
package struct HistogramValue: Sendable {
  package let bounds: [Double]
  /// One more than bounds.
  package let counts: [Int]
  package let sum: Double

  package var count: Int { counts.reduce(0, +) }

  /// The bounds between which this part of all values lies, as a dashboard would find it.
  package func bucket(ofQuantile quantile: Double) -> ClosedRange<Double> {
    var left = quantile * Double(count)
    for (index, count) in counts.enumerated() {
      left -= Double(count)
      if left <= 0 {
        return (index == 0 ? 0 : bounds[index - 1])...(index < bounds.count ? bounds[index] : .infinity)
      }
    }
    return 0...(.infinity)
  }
}
