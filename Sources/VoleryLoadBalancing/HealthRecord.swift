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
  /// Nanoseconds since `origin`; 0 while nothing is held against the server.
  private let ejectedUntil = Atomic<Int64>(0)
  private let now: @Sendable () -> ContinuousClock.Instant
  private let origin: ContinuousClock.Instant

  init(now: @escaping @Sendable () -> ContinuousClock.Instant) {
    self.now = now
    origin = now()
  }

  /// Whether anything is held against the server.
  var isMarked: Bool { ejectedUntil.load(ordering: .relaxed) != 0 }

  /// Whether calls should go elsewhere, now. The one who comes after the pause may probe: the others still go elsewhere.
  func isEjected() -> Bool {
    let until = ejectedUntil.load(ordering: .relaxed)
    guard until != 0 else { return false }
    let elapsed = nanoseconds(at: now())
    guard elapsed >= until else { return true }
    // One probe in a second, until it has told how it went.
    let next = elapsed + 1_000_000_000
    return !ejectedUntil.compareExchange(expected: until, desired: next, ordering: .relaxed).exchanged
  }

  /// A call has ended. Its own cancellation says nothing of the server. Nil: nothing has changed.
  func callEnded(code: StatusCode, origin: StatusError.Origin) -> StandingChange? {
    switch (code, origin) {
    case (.cancelled, .local): return nil
    case (.deadlineExceeded, .local):
      failures.store(0, ordering: .relaxed)
      guard deadlines.add(1, ordering: .relaxed).newValue >= HealthRecord.deadlinesInARow else { return nil }
      return eject(now()) ? .ejected : nil
    case (.unavailable, _), (.resourceExhausted, .peer), (.internal, .peer), (.unknown, .peer):
      deadlines.store(0, ordering: .relaxed)
      guard failures.add(1, ordering: .relaxed).newValue >= HealthRecord.failuresInARow else { return nil }
      return eject(now()) ? .ejected : nil
    default: return answered() ? .readmitted : nil
    }
  }

  /// Returns whether anything was held against the server.
  @discardableResult private func answered() -> Bool {
    // Most calls find nothing to clear: no store, so that cores don't pass the line around.
    if failures.load(ordering: .relaxed) != 0 { failures.store(0, ordering: .relaxed) }
    if deadlines.load(ordering: .relaxed) != 0 { deadlines.store(0, ordering: .relaxed) }
    guard ejectedUntil.load(ordering: .relaxed) != 0 else { return false }
    ejections.store(0, ordering: .relaxed)
    return ejectedUntil.exchange(0, ordering: .relaxed) != 0
  }

  /// A fresh connection may lead to a fresh server.
  func forget() {
    answered()
  }

  /// Returns whether it was not ejected before.
  private func eject(_ now: ContinuousClock.Instant) -> Bool {
    let current = ejectedUntil.load(ordering: .relaxed)
    let elapsed = nanoseconds(at: now)
    // Calls that were on their way already don't count again; a probe that failed does.
    let isProbe = current != 0 && elapsed + 1_000_000_000 >= current
    guard current == 0 || isProbe else { return false }
    let pause = Int64(1_000_000_000) << Int64(min(ejections.load(ordering: .relaxed), 5))
    let until = elapsed + min(pause, 30_000_000_000)
    guard ejectedUntil.compareExchange(expected: current, desired: max(1, until), ordering: .relaxed).exchanged else {
      return false
    }
    ejections.add(1, ordering: .relaxed)
    return current == 0
  }

  private func nanoseconds(at instant: ContinuousClock.Instant) -> Int64 {
    let (seconds, attoseconds) = origin.duration(to: instant).components
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}
