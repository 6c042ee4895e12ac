/// By what `outlier_detection` (gRFC A50) has found a server out, in the words of gRFC A91.
public enum OutlierDetectionMethod: String, Hashable, Sendable {
  case successRate = "success_rate"
  case failurePercentage = "failure_percentage"
}
