/// Counts the pings that a server takes for too many (gRFC A8, server enforcement). Never acts; a value of the connection's
/// loop.
///
/// A ping is free while something happens on the connection: HEADERS or DATA have gone out since the last one, as in all
/// implementations (a client that estimates its bandwidth sends one beside each burst of a large response), or DATA has come
/// in, as C-core has it by the window updates that DATA causes.
struct PingStrikes {
  /// Pings that come sooner than this after the last one are strikes.
  private let interval: Duration
  private let permitsPingsWithoutCalls: Bool
  private var last: ContinuousClock.Instant?
  private var strikes = 0

  /// So many are borne.
  private static let limit = 2
  /// Without calls, pings are to be rarer still.
  private static let intervalWithoutCalls = Duration.seconds(7200)

  init(interval: Duration, permitsPingsWithoutCalls: Bool) {
    self.interval = interval
    self.permitsPingsWithoutCalls = permitsPingsWithoutCalls
  }

  /// A ping has come. Returns whether its sender has to be cut off.
  mutating func isTooMany(isForgiven: Bool, hasCalls: Bool, now: ContinuousClock.Instant) -> Bool {
    defer { last = now }
    if isForgiven {
      strikes = 0
      return false
    }
    let interval =
      hasCalls || permitsPingsWithoutCalls ? interval : max(interval, PingStrikes.intervalWithoutCalls)
    if let last, last.duration(to: now) < interval { strikes += 1 }
    return strikes > PingStrikes.limit
  }
}
