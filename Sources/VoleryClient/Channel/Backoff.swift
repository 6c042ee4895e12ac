import VoleryTypes

/// How long a channel waits between attempts to connect (doc/connection-backoff.md). The defaults are the specification's.
public struct ConnectionBackoff: Hashable, Sendable {
  /// From the start of the first attempt to the start of the second. 1 second.
  public var initial: Duration = .seconds(1)
  /// What each further failure multiplies it with; at least 1. 1.6.
  public var multiplier = 1.6
  /// 120 seconds.
  public var maximum: Duration = .seconds(120)
  /// Share by which each wait but the first is longer or shorter at random, 0 to 1. 0.2.
  public var jitter = 0.2

  /// The specification's values: 1 s, x1.6, at most 120 s, ±20 %.
  public init() {}
}

/// The failures in a row of something that is tried again and again, and the wait that follows each.
package struct Backoff {
  private let values: ConnectionBackoff
  package private(set) var failures = 0

  package init(_ values: ConnectionBackoff = ConnectionBackoff()) { self.values = values }

  /// The attempt that has just failed was the next in a row: how long after its *start* the next one may begin.
  ///
  /// - Parameter random: From 0 up to 1.
  package mutating func failed(random: Double) -> Duration {
    defer { failures += 1 }
    var delay = max(values.initial, .milliseconds(1))
    guard failures > 0 else { return min(delay, values.maximum) }
    let multiplier = values.multiplier.isFinite ? min(max(values.multiplier, 1), 1000) : 1
    for _ in 0..<min(failures, 64) { delay = delay.scaled(by: multiplier, upTo: values.maximum) }
    let jitter = values.jitter.isFinite ? min(max(values.jitter, 0), 1) : 0
    return min(delay, values.maximum) * (1 + jitter * (2 * random - 1))
  }

  package mutating func reset() { failures = 0 }
}
