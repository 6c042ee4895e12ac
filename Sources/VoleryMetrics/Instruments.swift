import CoreMetrics

/// A metric's labels, in their order.
typealias Labels = [(String, String)]

/// Makes the backend's handlers, and none for metrics that are not wanted.
struct Instruments: Sendable {
  let factory: any MetricsFactory
  let options: MetricsOptions

  /// What stands for everything that there are too many of.
  static let other = "other"

  private func isWanted(_ metric: MetricDescription) -> Bool { !options.disabled.contains(metric.name) }

  func counter(_ metric: MetricDescription, _ labels: Labels) -> any CounterHandler {
    isWanted(metric) ? factory.makeCounter(label: metric.name, dimensions: labels) : NOOPMetricsHandler.instance
  }

  func upDownCounter(_ metric: MetricDescription, _ labels: Labels) -> any MeterHandler {
    isWanted(metric) ? factory.makeMeter(label: metric.name, dimensions: labels) : NOOPMetricsHandler.instance
  }

  func gauge(_ metric: MetricDescription, _ labels: Labels) -> any RecorderHandler {
    isWanted(metric)
      ? factory.makeRecorder(label: metric.name, dimensions: labels, aggregate: false) : NOOPMetricsHandler.instance
  }

  func histogram(_ metric: MetricDescription, _ labels: Labels) -> any RecorderHandler {
    isWanted(metric)
      ? factory.makeRecorder(label: metric.name, dimensions: labels, aggregate: true) : NOOPMetricsHandler.instance
  }

  /// Durations are timers: backends know their unit, and have bounds for them where nobody gives them any.
  func timer(_ metric: MetricDescription, _ labels: Labels) -> any TimerHandler {
    guard isWanted(metric) else { return NOOPMetricsHandler.instance }
    let timer = factory.makeTimer(label: metric.name, dimensions: labels)
    timer.preferDisplayUnit(.seconds)
    return timer
  }

  func destroy(_ counter: any CounterHandler, _ meter: any MeterHandler) {
    if counter !== NOOPMetricsHandler.instance { factory.destroyCounter(counter) }
    if meter !== NOOPMetricsHandler.instance { factory.destroyMeter(meter) }
  }

  /// The optional ones that are asked for.
  func optional(_ labels: KeyValuePairs<OptionalLabel, String>) -> Labels {
    labels.filter { options.optionalLabels.contains($0.key) }.map { ($0.key.rawValue, $0.value) }
  }
}

extension MeterHandler {
  /// By a whole number, up or down.
  func change(by amount: Int) {
    if amount > 0 { increment(by: Double(amount)) } else if amount < 0 { decrement(by: Double(-amount)) }
  }
}
