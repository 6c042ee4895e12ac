import VoleryTypes

/// A connection from its beginning to its end, as observers are told of it, on either side: each step once, and none after the
/// end. Decides, and tells nobody.
///
///     begun --opened--> open --ended--> over
///       +----------ended----------------^
package struct ObservedLife: Sendable {
  package enum Phase { case begun, open, over }

  package let id = ObservedID.next()
  private let startedAt = Moment.now
  package private(set) var phase = Phase.begun

  /// It begins now.
  package init() {}

  /// Since the beginning.
  package var age: Duration { startedAt.duration(to: .now) }

  /// Returns whether that is news.
  package mutating func opened() -> Bool {
    guard phase == .begun else { return false }
    phase = .open
    return true
  }

  /// Returns what it was until now; `over`: that is no news.
  package mutating func ended() -> Phase {
    defer { phase = .over }
    return phase
  }
}
