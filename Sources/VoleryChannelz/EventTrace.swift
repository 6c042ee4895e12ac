import VoleryPrimitives

/// The last events of a channel, subchannel or server, and how many there were (gRFC A3, A14). Bounded: the oldest make room.
package struct EventTrace: Sendable {
  /// How bad an event is.
  package enum Severity: Hashable, Sendable { case info, warning, error }

  /// Whom an event of a channel concerns besides.
  package struct Child: Hashable, Sendable {
    /// The subchannel's.
    package let id: Int
    package let name: String
  }

  package struct Event: Hashable, Sendable {
    package let text: String
    package let severity: Severity
    package let time: WallClockTime
    package let child: Child?
  }

  package static let maxTextLength = 200

  package let creationTime: WallClockTime
  /// With those that are not kept any more.
  package private(set) var loggedCount = 0
  private let limit: Int
  /// A ring, once it is full.
  private var ring: [Event] = []
  private var oldest = 0

  /// - Parameter limit: How many are kept, 0 to 1000; what is outside counts as the nearest of these.
  package init(limit: Int, at time: WallClockTime) {
    self.limit = min(max(limit, 0), 1000)
    creationTime = time
  }

  /// Oldest first.
  package var events: [Event] { Array(ring[oldest...] + ring[..<oldest]) }

  /// - Parameter text: Of any content: what would steer a terminal is escaped, and what is too long is cut.
  package mutating func log(
    _ text: String, _ severity: Severity = .info, at time: WallClockTime, child: Child? = nil
  ) {
    loggedCount += 1
    guard limit > 0 else { return }
    let line = String(line: text, limit: EventTrace.maxTextLength)
    let event = Event(text: line, severity: severity, time: time, child: child)
    guard ring.count == limit else { return ring.append(event) }
    ring[oldest] = event
    oldest = (oldest + 1) % limit
  }
}
