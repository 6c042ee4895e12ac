public import VoleryObservation
import VoleryPlatform

/// What a `TracingObserver` may be told.
public struct TracingOptions: Sendable {
  /// Whose names spans and attributes have. As the environment's `OTEL_SEMCONV_STABILITY_OPT_IN` says: gRPC's by default.
  public var conventions = TelemetryConventions(optIn: environmentVariable("OTEL_SEMCONV_STABILITY_OPT_IN"))
  /// Events of messages on one span; a long stream's further ones are not told. 128.
  public var maxMessageEvents = 128
  /// Whether a span's status has the text of the call's status beside its code. What handlers write there, and what servers send,
  /// then gets into traces. True, as gRFC A72 has it.
  public var recordsStatusMessages = true

  /// Of the defaults.
  public init() {}
}
