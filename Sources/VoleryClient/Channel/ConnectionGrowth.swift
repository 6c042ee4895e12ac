/// Decides when a subchannel opens one more connection because those that it has run as many calls as the server allows
/// (gRFC A105): one dial at a time, with the backoff of connections after a failure. A value.
struct ConnectionGrowth {
  private(set) var isGrowing = false
  private var backoff: Backoff
  private var notBefore: ChannelClock.Instant?
  private var startedAt: ChannelClock.Instant?

  init(backoff: ConnectionBackoff) { self.backoff = Backoff(backoff) }

  func mayGrow(count: Int, limit: Int, now: ChannelClock.Instant) -> Bool {
    count > 0 && count < limit && !isGrowing && notBefore.map { $0 <= now } ?? true
  }

  mutating func begin(count: Int, limit: Int, now: ChannelClock.Instant) -> Bool {
    guard mayGrow(count: count, limit: limit, now: now) else { return false }
    isGrowing = true
    startedAt = now
    return true
  }

  mutating func succeeded() { reset() }

  mutating func failed(now: ChannelClock.Instant, random: Double) {
    isGrowing = false
    notBefore = (startedAt ?? now).advanced(by: backoff.failed(random: random))
  }

  mutating func reset() {
    isGrowing = false
    notBefore = nil
    backoff.reset()
  }
}
