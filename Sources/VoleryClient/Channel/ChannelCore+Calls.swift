import Synchronization
import VoleryTypes

// What calls ask the control plane for, from any thread.
extension ChannelCore {
  /// For error messages: the target, what came of connecting to the addresses that `message` does not name yet, and what
  /// the resolver last said and when.
  package func situation(besides message: String = "") -> String {
    let now = clock.now()
    let dials = dials.withLock { $0.text(besides: message, at: now) }.map { "; \($0)" } ?? ""
    return "target \(target)\(dials); \(report.withLock { $0.text(at: now) })"
  }
}
