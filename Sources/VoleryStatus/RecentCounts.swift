import VoleryTypes

/// Counts of several kinds over the last while: of a ring of slots, each of which is a stretch of time, those that have become too old
/// are forgotten. A value; the time is given.
struct RecentCounts: Sendable {
  /// How far back it counts. What is told is the last 55 to 60 seconds.
  static let window = Duration.seconds(60)
  private static let slotNanoseconds: Int64 = 5_000_000_000
  private static let slotCount = 12

  private let kinds: Int
  private let start: Moment
  /// Slot after slot, `kinds` counts in each.
  private var counts: [UInt32]
  /// The number of the slot that is counted in now.
  private var newest: Int64 = 0

  /// - Parameter kinds: How many kinds of things are counted, 1 at least.
  init(kinds: Int = 1, from start: Moment) {
    self.kinds = kinds
    self.start = start
    counts = Array(repeating: 0, count: kinds * RecentCounts.slotCount)
  }

  /// Counts one of this kind, from 0.
  mutating func add(_ kind: Int = 0, at now: Moment) {
    moveOn(to: now)
    counts[place(of: newest) + kind] &+= 1
  }

  /// How many of each kind there were lately.
  func sums(at now: Moment) -> [Int] {
    var copy = self
    copy.moveOn(to: now)
    var sums = Array(repeating: 0, count: kinds)
    for (index, count) in copy.counts.enumerated() { sums[index % kinds] += Int(count) }
    return sums
  }

  private func place(of slot: Int64) -> Int { Int(slot % Int64(RecentCounts.slotCount)) * kinds }

  /// Clears the slots that the time has come to since; an earlier time than before is taken as that.
  private mutating func moveOn(to now: Moment) {
    let slot = max(newest, start.nanoseconds(to: now) / RecentCounts.slotNanoseconds)
    for missed in max(newest + 1, slot - Int64(RecentCounts.slotCount) + 1)..<(slot + 1) where missed > newest {
      let first = place(of: missed)
      for index in first..<(first + kinds) { counts[index] = 0 }
    }
    newest = slot
  }
}
