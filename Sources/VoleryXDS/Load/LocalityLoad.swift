import Synchronization
import VoleryLoadBalancing
import VoleryTypes

/// The calls to one locality of a cluster since they were last reported. Any thread.
final class LocalityLoad: Sendable {
  struct Metric: Equatable {
    var count: UInt64 = 0
    var total = 0.0
  }

  /// What there is to report.
  struct Snapshot: Equatable {
    var issued: UInt64 = 0
    var inProgress: UInt64 = 0
    var succeeded: UInt64 = 0
    var failed: UInt64 = 0
    var metrics: [String: Metric] = [:]

    var isEmpty: Bool { issued == 0 && inProgress == 0 && succeeded == 0 && failed == 0 && metrics.isEmpty }
  }

  private let issued = Atomic<UInt64>(0)
  private let inProgress = Atomic<Int64>(0)
  private let succeeded = Atomic<UInt64>(0)
  private let failed = Atomic<UInt64>(0)
  private let metrics = Mutex<[String: Metric]>([:])
  private let reported: Mutex<ReportedMetrics>
  /// Names of metrics that are kept between two reports.
  private static let maxMetrics = 1000

  init(_ reported: ReportedMetrics) { self.reported = Mutex(reported) }

  func report(_ metrics: ReportedMetrics) { reported.withLock { $0 = metrics } }

  func started() {
    issued.add(1, ordering: .relaxed)
    inProgress.add(1, ordering: .relaxed)
  }

  func ended(_ end: PickEnd) {
    inProgress.subtract(1, ordering: .relaxed)
    if end.code == .ok { succeeded.add(1, ordering: .relaxed) } else { failed.add(1, ordering: .relaxed) }
    let reported = reported.withLock { $0 }
    guard !reported.isEmpty, let report = end.loadReport else { return }
    let values = reported.values(in: report)
    guard !values.isEmpty else { return }
    metrics.withLock { metrics in
      for (name, value) in values where metrics[name] != nil || metrics.count < LocalityLoad.maxMetrics {
        metrics[name, default: Metric()].count += 1
        metrics[name, default: Metric()].total += value
      }
    }
  }

  /// Begins anew, but for the calls that run.
  func take() -> Snapshot {
    Snapshot(
      issued: issued.exchange(0, ordering: .relaxed),
      inProgress: UInt64(max(0, inProgress.load(ordering: .relaxed))),
      succeeded: succeeded.exchange(0, ordering: .relaxed), failed: failed.exchange(0, ordering: .relaxed),
      metrics: metrics.withLock { metrics in
        defer { metrics = [:] }
        return metrics
      })
  }
}
