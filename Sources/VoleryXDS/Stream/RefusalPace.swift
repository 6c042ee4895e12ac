/// How soon a control plane is heard again after a resource of it was refused: one that sends what was refused anew, at once and
/// for ever, would otherwise have this client do nothing else. A value that decides.
package struct RefusalPace {
  /// So many refusals in a row cost nothing.
  package static let burst = 10
  /// After them: one in this time.
  package static let interval = Duration.milliseconds(200)

  private var due: ContinuousClock.Instant?

  package init() {}

  /// A resource has been refused. Returns how long to wait before the next answer is read.
  package mutating func refused(now: ContinuousClock.Instant) -> Duration {
    let earliest = now.advanced(by: RefusalPace.interval * -RefusalPace.burst)
    let next = max(due ?? earliest, earliest).advanced(by: RefusalPace.interval)
    due = next
    return max(.zero, now.duration(to: next))
  }
}
