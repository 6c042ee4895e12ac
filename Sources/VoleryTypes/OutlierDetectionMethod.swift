/// By what `outlier_detection` (gRFC A50) has found a server out, in the words of gRFC A91.
public enum OutlierDetectionMethod: String, Hashable, Sendable {
  /// Its rate of successes is far below that of the others.
  case successRate = "success_rate"
  /// Its share of failures is over the limit.
  case failurePercentage = "failure_percentage"
}
