import VoleryTypes

/// The configuration of `weighted_round_robin` (gRFC A58, A114), as a service config has it.
struct WeightedRoundRobinConfiguration: Hashable, Sendable {
  /// Where a report has what stands for how busy a server is.
  enum Metric: Hashable, Sendable {
    case application, processors, memory
    case named(String)

    /// Nil: one that no report has.
    init?(_ name: String) {
      switch name {
      case "application_utilization": self = .application
      case "cpu_utilization": self = .processors
      case "mem_utilization": self = .memory
      default:
        guard name.hasPrefix("named_metrics.") else { return nil }
        self = .named(String(name.dropFirst("named_metrics.".count)))
      }
    }

    func value(in report: LoadReport) -> Double {
      switch self {
      case .application: report.applicationUtilization
      case .processors: report.cpuUtilization
      case .memory: report.memoryUtilization
      case .named(let name): report.namedMetrics[name] ?? 0
      }
    }
  }

  /// Reports come by themselves, not with calls.
  var usesOutOfBandReports = false
  var reportInterval = Duration.seconds(10)
  /// A server's reports count after it has reported for so long.
  var blackoutPeriod = Duration.seconds(10)
  /// And until it has not reported for so long.
  var expirationPeriod = Duration.seconds(180)
  /// Less than 100 ms counts as 100 ms.
  var updatePeriod = Duration.seconds(1)
  /// What a failed call in each call adds to how busy a server seems.
  var errorPenalty = 1.0
  /// At most 64.
  var metrics: [Metric] = []

  private static let maxMetrics = 64

  /// - Throws: `ServiceConfigError` for what has a wrong type or is out of range.
  init(_ reader: ConfigReader) throws(ServiceConfigError) {
    usesOutOfBandReports = try reader.optional("enableOobLoadReport", ConfigReader.bool) ?? usesOutOfBandReports
    reportInterval = try reader.optional("oobReportingPeriod", ConfigReader.duration) ?? reportInterval
    blackoutPeriod = try reader.optional("blackoutPeriod", ConfigReader.duration) ?? blackoutPeriod
    expirationPeriod = try reader.optional("weightExpirationPeriod", ConfigReader.duration) ?? expirationPeriod
    updatePeriod = max(
      try reader.optional("weightUpdatePeriod", ConfigReader.duration) ?? updatePeriod, .milliseconds(100))
    errorPenalty = try reader.optional("errorUtilizationPenalty", ConfigReader.number) ?? errorPenalty
    guard errorPenalty >= 0 else { throw reader.error("errorUtilizationPenalty", "must not be negative") }
    let names = try reader.optional("metricNamesForComputingUtilization", WeightedRoundRobinConfiguration.texts) ?? []
    guard names.count <= WeightedRoundRobinConfiguration.maxMetrics else {
      let most = WeightedRoundRobinConfiguration.maxMetrics
      throw reader.error("metricNamesForComputingUtilization", "must be at most \(most) names")
    }
    metrics = names.compactMap(Metric.init)
  }

  private static func texts(_ value: JSONValue) -> [String]? {
    guard case .array(let elements) = value else { return nil }
    let texts = elements.compactMap(ConfigReader.string)
    return texts.count == elements.count ? texts : nil
  }

  /// The weight that a report speaks for: calls a second over how busy they make the server. 0: it says nothing.
  func weight(of report: LoadReport) -> Double {
    let rate = report.queriesPerSecond
    var utilization = report.applicationUtilization
    if utilization <= 0 { utilization = metrics.lazy.map { $0.value(in: report) }.filter(\.isFinite).max() ?? 0 }
    if utilization <= 0 { utilization = report.cpuUtilization }
    guard rate > 0, utilization > 0 else { return 0 }
    let weight = rate / (utilization + report.errorsPerSecond / rate * errorPenalty)
    // Sums of thousands stay numbers.
    return weight.isFinite && weight > 0 ? min(weight, 1e15) : 0
  }
}
