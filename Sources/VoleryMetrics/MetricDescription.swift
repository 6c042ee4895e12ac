/// What there is to know of one metric beside its values: what dashboards, and backends that need to be told of units and of
/// histograms' bounds, go by. swift-metrics itself has no place for these.
public struct MetricDescription: Hashable, Sendable {
  /// How a metric's values belong together.
  public enum Kind: Hashable, Sendable {
    /// Only grows.
    case counter
    /// Goes up and down; swift-metrics calls it a meter.
    case upDownCounter
    /// A value that replaces the one before.
    case gauge
    /// How often a value was in which range.
    case histogram
  }

  /// As in the gRFC, with dots. Some backends write other characters for them.
  public let name: String
  /// Which instrument of swift-metrics it is.
  public let kind: Kind
  /// UCUM's, as OpenTelemetry writes it: `s`, `By`, `{call}`. Durations are given to the backend as a swift-metrics timer.
  public let unit: String
  /// The names of the labels that each of its series has.
  public let labels: [String]
  /// Only there where `MetricsOptions.optionalLabels` has them.
  public let optionalLabels: [OptionalLabel]
  /// Of a histogram: upper bounds of its buckets, in `unit`. Empty for the others.
  public let bounds: [Double]
  /// For people.
  public let help: String

  /// The one with this name; nil: it is none of Volery's.
  public static func named(_ name: String) -> MetricDescription? { byName[name] }

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  init(
    _ kind: Kind, _ name: String, _ unit: String, _ labels: [String], optional optionalLabels: [OptionalLabel] = [],
    bounds: [Double] = [], _ help: String
  ) {
    self.name = name
    self.kind = kind
    self.unit = unit
    self.labels = labels
    self.optionalLabels = optionalLabels
    self.bounds = bounds
    self.help = help
  }
}

/// A label that costs more series, and is there only where it is asked for.
public enum OptionalLabel: String, Hashable, Sendable, CaseIterable {
  /// The endpoint's zone (gRFC A78); empty where it has none.
  case locality = "grpc.lb.locality"
  /// The endpoint's cluster (gRFC A89); empty where it has none.
  case backendService = "grpc.lb.backend_service"
  /// How a connection was lost (gRFC A94).
  case disconnectError = "grpc.disconnect_error"
  /// `privacy_and_integrity` with TLS, else `none` (gRFC A94).
  case securityLevel = "grpc.security_level"
  /// The caller's own (`CallOptions.telemetryLabel`, gRFC A108); empty where it says none.
  case custom = "grpc.client.call.custom"
}

/// Upper bounds of the histograms' buckets.
public enum HistogramBounds {
  /// Durations, in seconds (gRFC A66).
  public static let latency: [Double] = [
    0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.013,
    0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 2, 5,
    10, 20, 50, 100,
  ]
  /// Sizes, in bytes (gRFC A66).
  public static let size: [Double] = [
    0, 1024, 2048, 4096, 16384, 65536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864, 268_435_456,
    1_073_741_824, 4_294_967_296,
  ]
  /// Retries and hedges of a call (gRFC A96).
  public static let retries: [Double] = [1, 2, 3, 4, 5]
  /// The same of transparent retries.
  public static let transparentRetries: [Double] = [1, 2, 3, 4, 5, 10]
  /// Weights of servers: calls a second over how busy these make it. gRFC A78 names no bounds.
  public static let weights: [Double] = [
    0, 1, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000,
  ]
  /// Durations, in seconds (OpenTelemetry's `rpc.*.call.duration`).
  public static let openTelemetryLatency: [Double] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
  ]
}
