import Synchronization

/// What the times of calls have told of a server lately, and whether it is ejected for being slow. Any thread, no lock.
///
/// Each call is late or in time (`MethodLatency`); of servers that are alike one in ten is late, of one that is slow every second
/// or more. The evidence is the sum of what each call says for the latter (Page's CUSUM test of 0.5 against 0.1, in thousandths
/// of e's logarithm), and never below zero: at the limit chance would be at it once in a hundred million calls.
final class SlownessRecord: Sendable {
  private static let late = 1609
  private static let inTime = 588
  static let limit = 18_000
  /// So many calls in a row that are in time bring it back.
  private static let inTimeInARow = 3
  /// After this it is tried again whatever the probes say, then after twice as long, and so on up to eight times: a server that is
  /// hardly ever called may be slow for that alone, its caches and its threads being cold.
  private static let trial: Int64 = 10_000_000_000
  private static let mostDoublings = 3

  private let evidence = Atomic<Int>(0)
  private let streak = Atomic<Int>(0)
  /// A call a second is not seen in the 99th percentile of some hundred calls.
  private let probes: ProbeSchedule
  private let nextTrial = Atomic<Int64>(0)
  /// Since a probe has last brought it back.
  private let trials = Atomic<Int>(0)

  init(now: @escaping @Sendable () -> ContinuousClock.Instant) { probes = ProbeSchedule(now: now) }

  var isMarked: Bool { probes.isMarked }

  /// What speaks for it being slow, 0 as a rule.
  var weight: Int { evidence.load(ordering: .relaxed) }

  /// Whether calls should go elsewhere, now: the first one after each pause is a probe.
  func isEjected() -> Bool { probes.isEjected() }

  /// A call has ended. What follows for its server, if the others have not as much against them.
  func callEnded(isLate: Bool) -> Verdict {
    if isMarked { return probeEnded(isLate: isLate) }
    if isLate {
      return evidence.add(SlownessRecord.late, ordering: .relaxed).newValue >= SlownessRecord.limit ? .suspect : .none
    }
    // Most calls find nothing to do.
    let before = evidence.load(ordering: .relaxed)
    if before > 0 { evidence.store(max(0, before - SlownessRecord.inTime), ordering: .relaxed) }
    return .none
  }

  private func probeEnded(isLate: Bool) -> Verdict {
    if isLate {
      streak.store(0, ordering: .relaxed)
      guard probes.elapsed >= nextTrial.load(ordering: .relaxed) else { return .none }
      trials.add(1, ordering: .relaxed)
      return readmit(weight: SlownessRecord.limit / 3 * 2)
    }
    guard streak.add(1, ordering: .relaxed).newValue >= SlownessRecord.inTimeInARow else { return .none }
    trials.store(0, ordering: .relaxed)
    return readmit(weight: SlownessRecord.limit / 3)
  }

  /// - Parameter weight: What still speaks against it: a few late calls more, and it is ejected again.
  private func readmit(weight: Int) -> Verdict {
    evidence.store(weight, ordering: .relaxed)
    return probes.due.exchange(0, ordering: .relaxed) == 0 ? .none : .readmit
  }

  enum Verdict {
    case none
    /// As much speaks for it as is wanted.
    case suspect
    case readmit
  }

  func eject() {
    let now = probes.elapsed
    let doublings = min(trials.load(ordering: .relaxed), SlownessRecord.mostDoublings)
    streak.store(0, ordering: .relaxed)
    nextTrial.store(now + SlownessRecord.trial << Int64(doublings), ordering: .relaxed)
    probes.due.store(max(1, now + ProbeSchedule.pause), ordering: .relaxed)
  }

  /// It is no slower than others: to be asked again after some more late calls.
  func acquit() { evidence.store(SlownessRecord.limit - 3 * SlownessRecord.late, ordering: .relaxed) }

  /// A fresh connection may lead to a fresh server.
  func forget() {
    evidence.store(0, ordering: .relaxed)
    trials.store(0, ordering: .relaxed)
    probes.due.store(0, ordering: .relaxed)
  }
}
