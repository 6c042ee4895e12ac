import CoreMetrics
import Synchronization
import VoleryObservation
import VoleryTypes

/// What all channels to one target have in common: its labels, and the handlers with them. Up-down counters add up over the
/// channels, since each tells only what changes.
final class TargetMetrics: Sendable {
  let instruments: Instruments
  let target: String
  let methods: MethodTable<ClientMethodMetrics>
  let endpoints: EndpointTable
  let endpointCount: any MeterHandler
  let resolverAnswers: any CounterHandler
  let resolverLastAnswer: MadeLater<any RecorderHandler>
  let retryBudget: MadeLater<any RecorderHandler>
  private let counters: BoundedTable<Series, any CounterHandler>
  private let meters: BoundedTable<Series, any MeterHandler>
  private let histograms: BoundedTable<Series, any RecorderHandler>
  private let gauges: BoundedTable<Series, any RecorderHandler>
  let controlPlane = Mutex(ControlPlaneRecord())

  /// One of a metric's series, beside the target.
  private struct Series: Hashable {
    let metric: MetricDescription
    let names: [String]
    let values: [String]

    init(_ metric: MetricDescription, _ labels: Labels) {
      self.metric = metric
      names = labels.map(\.0)
      values = labels.map(\.1)
    }

    func labels(_ target: String) -> Labels { [("grpc.target", target)] + zip(names, values) }
  }

  /// Series of one target that labels of the control plane's events make.
  private static let maxSeries = 1000

  init(_ target: String, _ instruments: Instruments) {
    self.target = target
    self.instruments = instruments
    let labels = [("grpc.target", target)]
    methods = MethodTable(limit: instruments.options.maxMethods) { ClientMethodMetrics($0, target, instruments) }
    endpoints = EndpointTable(target, instruments)
    endpointCount = instruments.upDownCounter(.channelEndpoints, labels)
    resolverAnswers = instruments.counter(.resolverAnswers, labels)
    resolverLastAnswer = MadeLater { instruments.gauge(.resolverLastAnswer, labels) }
    retryBudget = MadeLater { instruments.gauge(.retryBudget, labels) }
    counters = BoundedTable(limit: TargetMetrics.maxSeries) { series in
      series.map { instruments.counter($0.metric, $0.labels(target)) } ?? NOOPMetricsHandler.instance
    }
    histograms = BoundedTable(limit: TargetMetrics.maxSeries) { series in
      series.map { instruments.histogram($0.metric, $0.labels(target)) } ?? NOOPMetricsHandler.instance
    }
    gauges = BoundedTable(limit: TargetMetrics.maxSeries) { series in
      series.map { instruments.gauge($0.metric, $0.labels(target)) } ?? NOOPMetricsHandler.instance
    }
    meters = BoundedTable(limit: TargetMetrics.maxSeries) { series in
      series.map { instruments.upDownCounter($0.metric, $0.labels(target)) } ?? NOOPMetricsHandler.instance
    }
  }

  func count(_ metric: MetricDescription, _ labels: Labels = [], by amount: Int = 1) {
    if amount > 0 { counters[Series(metric, labels)].increment(by: Int64(amount)) }
  }

  func record(_ values: some Sequence<Double>, in metric: MetricDescription, _ labels: Labels) {
    let histogram = histograms[Series(metric, labels)]
    for value in values { histogram.record(value) }
  }

  func set(_ metric: MetricDescription, _ labels: Labels, to value: Int) {
    gauges[Series(metric, labels)].record(Int64(value))
  }

  func change(_ metric: MetricDescription, _ labels: Labels, by amount: Int) {
    if amount != 0 { meters[Series(metric, labels)].change(by: amount) }
  }
}

/// Where a subchannel's server is, as far as labels go.
struct EndpointPlace: Hashable, Sendable {
  var locality = ""
  var backendService = ""

  init() {}

  init(_ endpoint: Endpoint, _ options: MetricsOptions) {
    if options.optionalLabels.contains(.locality) { locality = endpoint.attributes.zone ?? "" }
    if options.optionalLabels.contains(.backendService) { backendService = endpoint.attributes.cluster ?? "" }
  }

  /// Those that are asked for.
  func labels(_ instruments: Instruments) -> Labels {
    instruments.optional([.locality: locality, .backendService: backendService])
  }
}
