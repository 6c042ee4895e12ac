/// The point in time by which a call has to be over. `Deadline.none` never comes.
///
/// On the wire a deadline travels as the time that is left (`grpc-timeout`), so clocks of two machines need not agree.
public struct Deadline: Hashable, Comparable, Sendable {
  /// Nil for a deadline that never comes.
  package let instant: ContinuousClock.Instant?

  package init(instant: ContinuousClock.Instant?) { self.instant = instant }

  public static let none = Deadline(instant: nil)

  /// The deadline that is this far from now; a timeout of zero or less is already over.
  public static func after(_ timeout: Duration) -> Deadline {
    Deadline(instant: ContinuousClock.now.advanced(by: timeout))
  }

  public static func at(_ instant: ContinuousClock.Instant) -> Deadline { Deadline(instant: instant) }

  /// Time left, negative when it is over; nil when it never comes.
  public var timeRemaining: Duration? { instant.map { ContinuousClock.now.duration(to: $0) } }

  public static func < (left: Deadline, right: Deadline) -> Bool {
    guard let leftInstant = left.instant else { return false }
    guard let rightInstant = right.instant else { return true }
    return leftInstant < rightInstant
  }
}
