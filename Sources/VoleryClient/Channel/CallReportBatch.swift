import Synchronization
import VoleryLoadBalancing

/// Collects how calls ended, for policies that want to know. Any thread; a batch is taken in the control plane.
final class CallReportBatch: Sendable {
  private struct State {
    var reports: [CallReport] = []
    var isTakeScheduled = false
  }

  /// What lies here beyond this is dropped: a policy that can't keep up still sees most of its calls.
  private static let limit = 8192

  /// Whether anybody wants reports.
  private let isOn = Atomic<Bool>(false)
  private let state = Mutex(State())

  var isWanted: Bool { isOn.load(ordering: .relaxed) }

  func setWanted(_ isWanted: Bool) { isOn.store(isWanted, ordering: .relaxed) }

  /// Returns whether somebody has to see to it that the batch is taken.
  func add(_ report: CallReport) -> Bool {
    state.withLock { state in
      if state.reports.count < CallReportBatch.limit { state.reports.append(report) }
      defer { state.isTakeScheduled = true }
      return !state.isTakeScheduled
    }
  }

  func take() -> [CallReport] {
    state.withLock { state in
      defer { state = State() }
      return state.reports
    }
  }
}
