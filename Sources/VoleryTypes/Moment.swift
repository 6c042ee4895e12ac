import VoleryPlatform

/// A point in time of the clock that runs on while the machine sleeps, as `ContinuousClock.Instant`, but one machine word:
/// calls keep some, and the standard library's is of no fixed layout, so that each copy of it is a call.
@usableFromInline package struct Moment: Comparable, Hashable, Sendable {
  /// Since the clock's start.
  @usableFromInline let nanoseconds: Int64

  /// Later than any other.
  @inlinable package static var never: Moment { Moment(nanoseconds: .max) }

  package static var now: Moment { Moment(nanoseconds: ThreadCalls.continuousNanoseconds) }

  @inlinable init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  package init(_ instant: ContinuousClock.Instant) {
    self = Moment.now.advanced(by: ContinuousClock.now.duration(to: instant))
  }

  /// At most `never`.
  package func advanced(by duration: Duration) -> Moment {
    let (seconds, attoseconds) = duration.components
    // Beyond 100 years either way it does not matter how far.
    let limit: Int64 = 3_200_000_000
    let bounded = min(max(seconds, -limit), limit) * 1_000_000_000 + attoseconds / 1_000_000_000
    let (sum, isOver) = nanoseconds.addingReportingOverflow(bounded)
    return isOver ? .never : Moment(nanoseconds: sum)
  }

  package func duration(to other: Moment) -> Duration { .nanoseconds(nanoseconds(to: other)) }

  @inlinable package func nanoseconds(to other: Moment) -> Int64 { other.nanoseconds &- nanoseconds }

  @inlinable package static func < (left: Moment, right: Moment) -> Bool { left.nanoseconds < right.nanoseconds }
}
