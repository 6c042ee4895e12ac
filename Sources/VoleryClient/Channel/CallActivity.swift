import Synchronization

/// Counts a channel's calls: to know when it has been idle for long, and when one that takes no more calls has nothing
/// left to do. Any thread.
final class CallActivity: Sendable {
  private let active = Atomic<Int>(0)
  /// Nanoseconds from `origin` to the last moment when the last running call ended.
  private let lastEnd = Atomic<Int64>(0)
  private let isUsed = Atomic<Bool>(false)
  private let isWatched = Atomic<Bool>(false)
  private let origin: ChannelClock.Instant
  private let clock: ChannelClock

  init(clock: ChannelClock) {
    self.clock = clock
    origin = clock.now()
  }

  var count: Int { active.load(ordering: .sequentiallyConsistent) }

  func started() {
    active.add(1, ordering: .sequentiallyConsistent)
    if !isUsed.load(ordering: .relaxed) { isUsed.store(true, ordering: .relaxed) }
  }

  /// Whether a call has come since this was last asked, or runs.
  func takeUse() -> Bool { isUsed.exchange(false, ordering: .relaxed) || count > 0 }

  /// Returns whether this was the last one and somebody waits for that.
  func ended() -> Bool {
    guard active.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 else { return false }
    touch()
    return isWatched.load(ordering: .sequentiallyConsistent)
  }

  /// From now on `ended` tells of the last call.
  func watch() { isWatched.store(true, ordering: .sequentiallyConsistent) }

  /// Something other than a call shows that the channel is in use.
  func touch() {
    let (seconds, attoseconds) = origin.duration(to: clock.now()).components
    lastEnd.store(seconds * 1_000_000_000 + attoseconds / 1_000_000_000, ordering: .relaxed)
  }

  /// Since when no call has been running; zero while one does.
  var quietTime: Duration {
    guard count == 0 else { return .zero }
    return origin.duration(to: clock.now()) - .nanoseconds(lastEnd.load(ordering: .relaxed))
  }
}
