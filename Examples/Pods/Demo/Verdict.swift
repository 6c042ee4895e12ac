import PodsShared

/// What was promised and what came of it.
struct Verdict {
  private(set) var lines: [String] = []
  private(set) var isGood = true

  mutating func add(_ isMet: Bool, _ text: String) {
    lines.append("  \(isMet ? "ok  " : "FAIL") \(text)")
    if !isMet { isGood = false }
  }

  mutating func noFailures(_ page: CallBook.Page, _ when: String) {
    add(
      page.failures.isEmpty, "\(page.failures.count) calls failed \(when)\(page.failures.first.map { ": \($0)" } ?? "")"
    )
  }

  mutating func noFailures(_ front: FrontReport) {
    let failed = front.failures.map(\.calls).reduce(0, +)
    let total = front.pods.map(\.calls).reduce(0, +) + failed
    let first = front.failures.first.map { ": \($0.code): \($0.message)" } ?? ""
    add(failed == 0 && total > 0, "\(failed) of \(total) calls of the HTTP front failed, in all of it\(first)")
  }

  /// Each of `count` has its share of the calls, `tolerance` per cent of all more or less.
  mutating func even(_ calls: [String: Int], of count: Int, _ what: String, within tolerance: Double) {
    let total = max(1, calls.values.reduce(0, +))
    let fair = 100 / Double(count)
    let shares = calls.values.map { 100 * Double($0) / Double(total) }
    let low = ((shares.min() ?? 0) * 100).rounded() / 100
    let high = ((shares.max() ?? 0) * 100).rounded() / 100
    add(
      shares.count == count && shares.allSatisfy { abs($0 - fair) <= tolerance },
      "\(count) \(what) share \(total) calls: \(low) % to \(high) % each (\(fair) ± \(tolerance))")
  }
}
