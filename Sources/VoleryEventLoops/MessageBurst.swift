/// Decides when a burst of large messages is over, so that the memory that they have left may be given back. A value; time is
/// the caller's.
///
///     quiet --16 MiB have come or gone--> busy --a second with less than 1 MiB--> quiet, and give back
package struct MessageBurst {
  package enum Verdict: Equatable {
    case nothing
    case giveBack
    /// Ask again after `interval`.
    case wait
  }

  /// So many bytes make a burst: about what malloc may keep at the end of a heap in any case.
  package static let byteCount = 16 << 20
  /// Fewer within an interval are none any more.
  package static let quietByteCount = 1 << 20
  package static let interval = Duration.seconds(1)

  private var movedByteCount = 0
  private var lookedByteCount = 0
  /// When somebody looks next; one that is long gone never will.
  private var nextLook: ContinuousClock.Instant?

  package init() {}

  /// So many bytes of messages were taken in, or let go of. True: look after `interval`.
  package mutating func moved(_ byteCount: Int, now: ContinuousClock.Instant) -> Bool {
    movedByteCount += byteCount
    guard movedByteCount >= MessageBurst.byteCount else { return false }
    if let nextLook, now < nextLook.advanced(by: MessageBurst.interval * 10) { return false }
    return startLooking(now)
  }

  private mutating func startLooking(_ now: ContinuousClock.Instant) -> Bool {
    lookedByteCount = movedByteCount
    nextLook = now.advanced(by: MessageBurst.interval)
    return true
  }

  package mutating func looked(now: ContinuousClock.Instant) -> Verdict {
    guard nextLook != nil else { return .nothing }
    if movedByteCount - lookedByteCount >= MessageBurst.quietByteCount {
      _ = startLooking(now)
      return .wait
    }
    self = MessageBurst()
    return .giveBack
  }
}
