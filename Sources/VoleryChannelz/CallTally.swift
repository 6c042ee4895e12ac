/// Calls of a channel, subchannel or server by how they ended.
package struct CallTally: Hashable, Sendable {
  package private(set) var started = 0
  package private(set) var succeeded = 0
  package private(set) var failed = 0
  /// Of the last one; nil before the first.
  package private(set) var lastStarted: WallClockTime?

  package init() {}

  package mutating func start(at time: WallClockTime) {
    started += 1
    lastStarted = time
  }

  package mutating func end(succeeds: Bool) {
    if succeeds { succeeded += 1 } else { failed += 1 }
  }
}
