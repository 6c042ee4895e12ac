/// The point in time by which a call has to be over. `Deadline.none` never comes.
///
/// On the wire a deadline travels as the time that is left (`grpc-timeout`), so clocks of two machines need not agree.
public struct Deadline: Hashable, Comparable, Sendable {
  /// `.never` for a deadline that never comes.
  @usableFromInline package let moment: Moment

  @inlinable package init(_ moment: Moment) { self.moment = moment }

  /// Never comes: later than any other deadline, and not sent to the server.
  @inlinable public static var none: Deadline { Deadline(.never) }

  /// The deadline that is this far from now; a timeout of zero or less is already over.
  public static func after(_ timeout: Duration) -> Deadline { Deadline(Moment.now.advanced(by: timeout)) }

  /// The deadline that is at this instant, which may have passed. An instant over 100 years away is as good as `none`.
  public static func at(_ instant: ContinuousClock.Instant) -> Deadline { Deadline(Moment(instant)) }

  /// Time left, negative when it is over; nil when it never comes.
  public var timeRemaining: Duration? { isSet ? Moment.now.duration(to: moment) : nil }

  @inlinable package var isSet: Bool { moment < .never }

  /// Whether a client that ends a call when so much of its timeout is left on the server's clock has done so at its deadline. The
  /// client's may come before the server's by the way, the clocks' steps, and `grpc-timeout`'s, which some round by a hundredth.
  package static func isReached(left: Duration, of timeout: Duration) -> Bool {
    left <= min(max(timeout / 100, .milliseconds(5)), .seconds(1), timeout / 2)
  }

  /// True when `left` comes first; `none` comes last.
  @inlinable public static func < (left: Deadline, right: Deadline) -> Bool { left.moment < right.moment }
}

/// What a call inherits from the handler in which it is made.
package enum CallScope {
  /// The deadline of the server's call that the current task works for; `.none` outside of handlers and where the caller
  /// gave none. Bound by the server, read by the client (`CallOptions.inheritsDeadline`).
  @TaskLocal package static var deadline: Deadline = .none
}
