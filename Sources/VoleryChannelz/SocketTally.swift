/// What went over one connection.
package struct SocketTally: Hashable, Sendable {
  /// Streams by how they ended: the server has ended them itself, or not.
  package private(set) var streams = CallTally()
  package private(set) var messagesSent = 0
  package private(set) var messagesReceived = 0
  /// Nil before the first.
  package private(set) var lastSent: WallClockTime?
  /// Nil before the first.
  package private(set) var lastReceived: WallClockTime?

  package init() {}

  package mutating func streamStarted(at time: WallClockTime) { streams.start(at: time) }

  /// - Parameter isComplete: The server has ended it with a status.
  package mutating func streamEnded(isComplete: Bool) { streams.end(succeeds: isComplete) }

  package mutating func sent(at time: WallClockTime) {
    messagesSent += 1
    lastSent = time
  }

  package mutating func received(at time: WallClockTime) {
    messagesReceived += 1
    lastReceived = time
  }
}
