import VoleryTypes

/// How long calls have taken lately, in classes of durations.
struct LatencyHistogram: Sendable {
  /// The upper bounds of the classes in milliseconds; one more class is above the last of them.
  static let bounds: [Double] = [
    0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000,
  ]

  private var counts: RecentCounts

  init(from start: Moment) { counts = RecentCounts(kinds: LatencyHistogram.bounds.count + 1, from: start) }

  mutating func add(nanoseconds: Int64, at now: Moment) {
    let milliseconds = Double(nanoseconds) / 1_000_000
    counts.add(
      LatencyHistogram.bounds.firstIndex { milliseconds <= $0 } ?? LatencyHistogram.bounds.count, at: now)
  }

  func status(at now: Moment) -> LatencyStatus { LatencyStatus(counts: counts.sums(at: now)) }
}
