import Synchronization
import VoleryTypes

/// What a call's end has changed for its server.
package enum StandingChange: Sendable {
  /// Calls go elsewhere from now on.
  case ejected
  /// It has answered again.
  case readmitted
}

/// What calls have told of a server lately, and whether it is ejected: left alone for a while. Event-driven: several failures
/// in a row, or two deadlines that passed without an answer, eject it at once; after a pause one call probes it, and
/// the first answer brings it back. Any thread, no lock.
///
/// The pauses are 1 s, then twice as long each time, at most 30 s.
final class HealthRecord: Sendable {
  static let failuresInARow = 5
  static let deadlinesInARow = 2

  private let failures = Atomic<Int>(0)
  private let deadlines = Atomic<Int>(0)
  private let ejections = Atomic<Int>(0)
  private let probes: ProbeSchedule

  init(now: @escaping @Sendable () -> ContinuousClock.Instant) { probes = ProbeSchedule(now: now) }

  /// Whether anything is held against the server.
  var isMarked: Bool { probes.isMarked }

  /// Whether calls should go elsewhere, now. The one who comes after the pause may probe: the others still go elsewhere.
  func isEjected() -> Bool { probes.isEjected() }

  /// A call has ended. Its own cancellation says nothing of the server. Nil: nothing has changed.
  func callEnded(code: StatusCode, origin: StatusError.Origin) -> StandingChange? {
    switch CallBlame(code, origin) {
    case .nobody: return nil
    case .silence:
      failures.store(0, ordering: .relaxed)
      guard deadlines.add(1, ordering: .relaxed).newValue >= HealthRecord.deadlinesInARow else { return nil }
      return eject() ? .ejected : nil
    case .server:
      deadlines.store(0, ordering: .relaxed)
      guard failures.add(1, ordering: .relaxed).newValue >= HealthRecord.failuresInARow else { return nil }
      return eject() ? .ejected : nil
    case .request: return answered() ? .readmitted : nil
    }
  }

  /// Returns whether anything was held against the server.
  @discardableResult private func answered() -> Bool {
    // Most calls find nothing to clear: no store, so that cores don't pass the line around.
    if failures.load(ordering: .relaxed) != 0 { failures.store(0, ordering: .relaxed) }
    if deadlines.load(ordering: .relaxed) != 0 { deadlines.store(0, ordering: .relaxed) }
    guard isMarked else { return false }
    ejections.store(0, ordering: .relaxed)
    return probes.due.exchange(0, ordering: .relaxed) != 0
  }

  /// A fresh connection may lead to a fresh server.
  func forget() {
    answered()
  }

  /// Returns whether it was not ejected before.
  private func eject() -> Bool {
    let current = probes.due.load(ordering: .relaxed)
    let elapsed = probes.elapsed
    // Calls that were on their way already don't count again; a probe that failed does.
    let isProbe = current != 0 && elapsed + ProbeSchedule.pause >= current
    guard current == 0 || isProbe else { return false }
    let pause = ProbeSchedule.pause << Int64(min(ejections.load(ordering: .relaxed), 5))
    let until = elapsed + min(pause, 30_000_000_000)
    guard probes.due.compareExchange(expected: current, desired: max(1, until), ordering: .relaxed).exchanged else {
      return false
    }
    ejections.add(1, ordering: .relaxed)
    return current == 0
  }
}
