/// How long to wait between attempts (doc/connection-backoff.md): 1 s, x1.6 each time, at most 120 s, ±20 % but for the
/// first.
struct Backoff {
  private let random: () -> Double
  private(set) var failures = 0

  /// - Parameter random: Between -1 and 1.
  init(random: @escaping () -> Double = { Double.random(in: -1...1) }) { self.random = random }

  /// The attempt that has just failed was the next in a row: how long after its *start* the next one may begin.
  mutating func failed() -> Duration {
    defer { failures += 1 }
    guard failures > 0 else { return .seconds(1) }
    var delay = 1.0
    for _ in 0..<min(failures, 32) { delay = min(delay * 1.6, 120) }
    return .seconds(delay * (1 + 0.2 * random()))
  }

  mutating func reset() { failures = 0 }
}
