import VoleryTypes

/// Calls as `CallTotals` counts them. A value; the time is given.
struct CallCounter: Sendable {
  private var totals = CallTotals()
  private var recent: RecentCounts

  init(from start: Moment) { recent = RecentCounts(from: start) }

  var isIdle: Bool { totals.open == 0 }

  mutating func started(at now: Moment) {
    totals.started += 1
    totals.open += 1
    recent.add(at: now)
  }

  mutating func ended(_ code: StatusCode) {
    totals.open -= 1
    if code != .ok { totals.failed += 1 }
  }

  func totals(at now: Moment) -> CallTotals {
    var totals = totals
    totals.recent = recent.sums(at: now)[0]
    return totals
  }
}
