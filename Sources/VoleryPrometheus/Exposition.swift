import VoleryMetrics

/// Prometheus' text format, version 0.0.4, with the names that OpenTelemetry's exporters give there: `_` for dots, the unit behind the
/// name, `_total` behind a counter's.
enum Exposition {
  static func text(_ name: String, _ series: [PrometheusBackend.Key: any Series]) -> String {
    let description = MetricDescription.named(name)
    let isCounter = series.values.contains { $0 is CounterSeries }
    let written = self.name(name, description, isCounter: isCounter)
    let kind = isCounter ? "counter" : series.values.contains { $0 is HistogramSeries } ? "histogram" : "gauge"
    var text = description.map { "# HELP \(written) \(escaped($0.help))\n" } ?? ""
    text += "# TYPE \(written) \(kind)\n"
    for (labels, value) in series.map({ ($0.key.labels, $0.value) }).sorted(by: { "\($0.0)" < "\($1.0)" }) {
      if let histogram = value as? HistogramSeries {
        text += lines(written, labels, histogram.snapshot)
      } else {
        text += "\(written)\(self.labels(labels)) \(number(value.total))\n"
      }
    }
    return text
  }

  private static func name(_ name: String, _ description: MetricDescription?, isCounter: Bool) -> String {
    var written = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    switch description?.unit {
    case "s": written += "_seconds"
    case "By": written += "_bytes"
    default: break
    }
    return isCounter ? written + "_total" : written
  }

  private static func lines(
    _ name: String, _ labels: [PrometheusBackend.Label], _ histogram: HistogramValue
  ) -> String {
    var text = ""
    var count = 0
    for (index, bound) in (histogram.bounds + [.infinity]).enumerated() {
      count += histogram.counts[index]
      let bounded = labels + [PrometheusBackend.Label(name: "le", value: number(bound))]
      text += "\(name)_bucket\(self.labels(bounded)) \(count)\n"
    }
    return text
      + "\(name)_sum\(self.labels(labels)) \(number(histogram.sum))\n\(name)_count\(self.labels(labels)) \(count)\n"
  }

  private static func labels(_ labels: [PrometheusBackend.Label]) -> String {
    guard !labels.isEmpty else { return "" }
    let pairs = labels.map { label in
      let name = String(label.name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
      return "\(name)=\"\(escaped(label.value).replacing("\"", with: "\\\""))\""
    }
    return "{\(pairs.joined(separator: ","))}"
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
  }

  private static func number(_ value: Double) -> String {
    if value == .infinity { return "+Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
  }
}
