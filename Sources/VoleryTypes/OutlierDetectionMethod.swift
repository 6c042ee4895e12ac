/// By what `outlier_detection` (gRFC A50) has found a server out, in the words of gRFC A91.
public enum OutlierDetectionMethod: String, Hashable, Sendable {
  /// Its rate of successes is far below that of the others.
  case successRate = "success_rate"
  /// Its share of failures is over the limit.
  case failurePercentage = "failure_percentage"
}

/// Why a server that outlier detection has found is not ejected; the raw value is what metrics call it (gRFC A91).
public enum UnenforcedReason: String, Hashable, Sendable {
  /// The configured `enforcementPercentage` has let it go.
  case enforcementPercentage = "enforcement_percentage"
  /// As many are ejected as `maxEjectionPercent` allows, or it is the last one.
  case maxEjectionOverflow = "max_ejection_overflow"
}
