/// Lets so many reports a period through, and counts those that it leaves out. A value; whoever reports hands in the time.
package struct ReportLimit {
  private let count: Int
  private let period: Duration
  private var periodStart: ContinuousClock.Instant?
  private var admitted = 0
  private var leftOut = 0

  package init(_ count: Int, per period: Duration) {
    self.count = count
    self.period = period
  }

  /// How many reports were left out since the last one; nil: leave this one out too.
  package mutating func admit(at now: ContinuousClock.Instant) -> Int? {
    if periodStart.map({ $0.duration(to: now) >= period }) ?? true {
      periodStart = now
      admitted = 0
    }
    guard admitted < count else {
      leftOut += 1
      return nil
    }
    admitted += 1
    defer { leftOut = 0 }
    return leftOut
  }
}
