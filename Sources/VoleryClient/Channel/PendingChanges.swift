import VoleryLoadBalancing
import VoleryTransport

/// What a policy has still to hear of its subchannels, and when. It looks at all of them each time, as does what is published for
/// calls: where there are thousands, that is done for whatever has come together, at most once in a time that grows with their
/// number. Connecting to twice as many so costs twice as much, not four times. The policy's driver acts.
struct PendingChanges {
  private var changes: [SubchannelChange] = []
  private var last: ChannelClock.Instant?
  /// Runs while something waits.
  private var timer: (any TransportTimer)?

  /// Fewer subchannels wait for nothing.
  private static let free = 1000
  /// For each subchannel. What has to be done takes some tenths of a microsecond for each.
  private static let pause = Duration.microseconds(2)

  mutating func add(_ more: some Sequence<SubchannelChange>) { changes += more }

  /// In order.
  mutating func take() -> [SubchannelChange] {
    defer { changes = [] }
    return changes
  }

  /// How long what has happened has to wait; nil: it has not to.
  func wait(with count: Int, now: ChannelClock.Instant) -> Duration? {
    guard count >= PendingChanges.free, let last else { return nil }
    let left = PendingChanges.pause * count - last.duration(to: now)
    return left > .zero ? left : nil
  }

  /// One timer at a time.
  mutating func scheduleIfNeeded(_ schedule: () -> any TransportTimer) { if timer == nil { timer = schedule() } }

  /// The policy is asked, and what it says is published.
  mutating func begin() { timer.take()?.cancel() }

  mutating func ended(at now: ChannelClock.Instant) { last = now }
}
