import VoleryTypes

/// Which of the metrics that servers send with calls (ORCA, gRFC A51) go into load reports (gRFC A85), by the names of
/// `lrs_report_endpoint_metrics`.
package struct ReportedMetrics: Hashable, Sendable {
  /// As the control plane has written them.
  package let names: [String]
  private let all: Bool
  private let named: Set<String>

  private static let prefix = "named_metrics."
  /// Of a cluster; those after them are passed over.
  private static let maxNames = 1000
  /// Of one answer, where the control plane wants all.
  private static let maxNamed = 1000

  package init(_ names: [String] = []) {
    self.names = Array(names.prefix(ReportedMetrics.maxNames))
    all = self.names.contains { $0 == "named_metrics.*" }
    named = Set(self.names.lazy.filter { $0.hasPrefix(Self.prefix) }.map { String($0.dropFirst(Self.prefix.count)) })
  }

  var isEmpty: Bool { names.isEmpty }

  /// Name and value of each metric that is reported; those of the report's own fields have none of their values below 0 or not a
  /// number.
  func values(in report: LoadReport) -> [(name: String, value: Double)] {
    var values: [(name: String, value: Double)] = []
    func add(_ name: String, _ value: Double) {
      if names.contains(name), value > 0, value.isFinite { values.append((name, value)) }
    }
    add("cpu_utilization", report.cpuUtilization)
    add("mem_utilization", report.memoryUtilization)
    add("application_utilization", report.applicationUtilization)
    guard all || !named.isEmpty else { return values }
    for (name, value) in report.namedMetrics.prefix(Self.maxNamed) where value.isFinite && (all || named.contains(name))
    {
      values.append((Self.prefix + name, value))
    }
    return values
  }
}
