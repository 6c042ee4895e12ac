import Synchronization

/// Until when a server is left alone, and whose call may probe it then. Any thread, no lock.
struct ProbeSchedule: ~Copyable, Sendable {
  /// Between two probes, in nanoseconds: one at a time, until it has told how it went.
  static let pause: Int64 = 1_000_000_000

  /// When the next probe is due, as `elapsed` counts; 0: nothing is held against the server.
  let due = Atomic<Int64>(0)
  private let now: @Sendable () -> ContinuousClock.Instant
  private let origin: ContinuousClock.Instant

  init(now: @escaping @Sendable () -> ContinuousClock.Instant) {
    self.now = now
    origin = now()
  }

  /// Nanoseconds since this was made.
  var elapsed: Int64 {
    let (seconds, attoseconds) = origin.duration(to: now()).components
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }

  /// Whether anything is held against the server.
  var isMarked: Bool { due.load(ordering: .relaxed) != 0 }

  /// Whether calls should go elsewhere, now. The first one after the pause may probe: the others still go elsewhere.
  func isEjected() -> Bool {
    let due = due.load(ordering: .relaxed)
    guard due != 0 else { return false }
    let elapsed = elapsed
    guard elapsed >= due else { return true }
    return !self.due.compareExchange(expected: due, desired: elapsed + ProbeSchedule.pause, ordering: .relaxed)
      .exchanged
  }
}
