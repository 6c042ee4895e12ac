/// Decides when a connection has had too many streams reset, by its client or by the server because of what the client did:
/// work that is begun and thrown away (CVE-2023-44487 and CVE-2025-8671). Never acts; a value of the connection's loop.
///
/// Resets are in proportion to calls that ended well: each of those pays for four, which is what a client comes to that hedges
/// with all five attempts that gRFC A6 allows. Others are paid for by time, a tenth of the limit each second. A call that ran to
/// its deadline is no reset that counts: its client did not choose the moment.
struct StreamResetLimit {
  typealias Instant = ContinuousClock.Instant

  /// Resets that a call which ended well pays for.
  static let resetsPerCall = 4
  /// The time in which the whole of the limit comes back.
  static let recovery = Duration.seconds(10)
  /// A deadline that is shorter than this does not excuse a reset: it would be one chosen at will.
  static let shortestDeadline = Duration.milliseconds(10)

  private let limit: Int
  /// Resets that are left.
  private var left: Int
  private var recoveredAt: Instant

  init(_ limit: Int, now: Instant) {
    self.limit = limit
    left = limit
    recoveredAt = now
  }

  mutating func callEndedWell() { left = min(left &+ StreamResetLimit.resetsPerCall, limit) }

  /// So many streams were reset. Returns whether that is too many.
  mutating func reset(_ count: Int = 1, now: Instant) -> Bool {
    recover(now)
    left = max(left - count, -1)
    return left < 0
  }

  private mutating func recover(_ now: Instant) {
    guard limit > 0 else { return }
    let share = recoveredAt.duration(to: now) / StreamResetLimit.recovery
    let count = Int(min(share, 1) * Double(limit))
    guard count > 0 else { return }
    left = min(left + count, limit)
    recoveredAt = now
  }

  /// Whether a call that was reset with so much of its time left was at its deadline, or nearly: clocks and ways differ.
  static func isExcused(remaining: Duration, timeout: Duration) -> Bool {
    timeout >= shortestDeadline && remaining <= timeout / 10
  }
}
