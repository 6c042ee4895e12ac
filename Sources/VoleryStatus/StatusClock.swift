package import VoleryTypes

/// The time, for a page: since it was made, and now.
package struct StatusClock: Sendable {
  package let start: Moment
  package let now: @Sendable () -> Moment

  /// One that begins now.
  package init(now: @escaping @Sendable () -> Moment = { Moment.now }) {
    self.now = now
    start = now()
  }
}
