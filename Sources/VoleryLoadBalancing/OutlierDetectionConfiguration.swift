import VoleryTypes

/// gRFC A50's configuration, as a service config has it.
struct OutlierDetectionConfiguration: Hashable, Sendable {
  /// Ejects servers whose success rate is far below the mean of all.
  struct SuccessRate: Hashable, Sendable {
    /// In thousandths of a standard deviation.
    var stdevFactor = 1900
    var enforcementPercentage = 100
    var minimumHosts = 5
    var requestVolume = 100
  }

  /// Ejects servers of whose calls more than so many per cent fail.
  struct FailurePercentage: Hashable, Sendable {
    var threshold = 85
    var enforcementPercentage = 100
    var minimumHosts = 5
    var requestVolume = 50
  }

  /// Above 0; less than 10 ms counts as 10 ms: each sweep looks at all servers.
  var interval = Duration.seconds(10)
  var baseEjectionTime = Duration.seconds(30)
  var maxEjectionTime = Duration.seconds(300)
  var maxEjectionPercent = 10
  var successRate: SuccessRate?
  var failurePercentage: FailurePercentage?

  /// Without an algorithm nothing is counted.
  var isOn: Bool { successRate != nil || failurePercentage != nil }

  /// - Throws: `ServiceConfigError` for what has a wrong type or is out of range.
  init(_ reader: ConfigReader) throws(ServiceConfigError) {
    interval = try OutlierDetectionConfiguration.time(reader, "interval") ?? interval
    guard interval > .zero else { throw reader.error("interval", "must be above 0") }
    interval = max(interval, .milliseconds(10))
    baseEjectionTime = try OutlierDetectionConfiguration.time(reader, "baseEjectionTime") ?? baseEjectionTime
    maxEjectionTime = try OutlierDetectionConfiguration.time(reader, "maxEjectionTime") ?? maxEjectionTime
    maxEjectionPercent = try OutlierDetectionConfiguration.percent(reader, "maxEjectionPercent") ?? maxEjectionPercent
    if let rate = try reader.object("successRateEjection") {
      var read = SuccessRate()
      read.stdevFactor = try rate.optional("stdevFactor", ConfigReader.count) ?? read.stdevFactor
      read.enforcementPercentage =
        try OutlierDetectionConfiguration.percent(rate, "enforcementPercentage") ?? read.enforcementPercentage
      read.minimumHosts = try rate.optional("minimumHosts", ConfigReader.count) ?? read.minimumHosts
      read.requestVolume = try rate.optional("requestVolume", ConfigReader.count) ?? read.requestVolume
      successRate = read
    }
    if let failures = try reader.object("failurePercentageEjection") {
      var read = FailurePercentage()
      read.threshold = try OutlierDetectionConfiguration.percent(failures, "threshold") ?? read.threshold
      read.enforcementPercentage =
        try OutlierDetectionConfiguration.percent(failures, "enforcementPercentage") ?? read.enforcementPercentage
      read.minimumHosts = try failures.optional("minimumHosts", ConfigReader.count) ?? read.minimumHosts
      read.requestVolume = try failures.optional("requestVolume", ConfigReader.count) ?? read.requestVolume
      failurePercentage = read
    }
  }

  private static func time(_ reader: ConfigReader, _ name: String) throws(ServiceConfigError) -> Duration? {
    try reader.optional(name, ConfigReader.duration)
  }

  private static func percent(_ reader: ConfigReader, _ name: String) throws(ServiceConfigError) -> Int? {
    guard let value = try reader.optional(name, ConfigReader.count) else { return nil }
    guard value <= 100 else { throw reader.error(name, "must be at most 100") }
    return value
  }
}
