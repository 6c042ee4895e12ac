public import VoleryObservation
import VoleryPlatform

/// What a `MetricsObserver` may be told.
public struct MetricsOptions: Sendable {
  /// Whose names calls' durations have. As the environment's `OTEL_SEMCONV_STABILITY_OPT_IN` says: gRPC's by default.
  public var conventions = TelemetryConventions(optIn: environmentVariable("OTEL_SEMCONV_STABILITY_OPT_IN"))
  /// Labels that cost more series. None.
  public var optionalLabels: Set<OptionalLabel> = []
  /// Names of metrics that are not wanted (`MetricDescription.name`). None.
  public var disabled: Set<String> = []
  /// Whether the name of a method that a server does not have becomes a label, rather than `other`: whoever calls chooses
  /// these names. Never, by default.
  public var recordsUnregisteredMethod: @Sendable (_ path: String) -> Bool = { _ in false }
  /// The label of a channel's target, where the canonical one (`dns:///orders:50051`) says too much, or is another one for each
  /// channel.
  public var targetLabel: @Sendable (_ target: String) -> String = { $0 }
  /// Methods with labels of their own, of all servers together, and of each target; further ones are `other`. 1000.
  public var maxMethods = 1000
  /// Targets with labels of their own; further ones are `other`. 100.
  public var maxTargets = 100
  /// Endpoints of a target with labels of their own. Beyond that, those that went first make room; where all are there still,
  /// further ones are `other`. 1000.
  public var maxEndpoints = 1000

  /// Values of the label `OptionalLabel.custom`, of each method at each target; further ones are `other`. 100.
  public var maxCustomLabels = 100

  /// Of the defaults.
  public init() {}
}
