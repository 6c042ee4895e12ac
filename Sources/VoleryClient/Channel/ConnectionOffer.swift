import VoleryTransport

/// The connections of a ready subchannel as calls see them: an immutable part of the published snapshot, and one reference for a
/// call that finds it there.
final class ConnectionOffer: Sendable {
  /// Oldest first; never empty.
  let connections: [ChannelConnection]
  let driver: SubchannelDriver
  /// Another one is on its way.
  let isGrowing: Bool
  /// Another one may be asked for.
  let mayGrow: Bool

  init(connections: [ChannelConnection], driver: SubchannelDriver, isGrowing: Bool, mayGrow: Bool) {
    self.connections = connections
    self.driver = driver
    self.isGrowing = isGrowing
    self.mayGrow = mayGrow
  }

  /// The oldest connection that has room (gRFC A105).
  var withRoom: (any ClientConnection)? {
    if connections.count == 1 { return connections[0].hasRoom ? connections[0].connection : nil }
    guard let found = connections.first(where: { $0.hasRoom }) else { return nil }
    found.markUse()
    return found.connection
  }

  /// One of the full connections: the call waits there for its turn. Nil: none takes any more calls, and the next offer
  /// is on its way.
  func queueing(_ turn: Int) -> (any ClientConnection)? {
    let usable = connections.filter { !$0.isEnding }
    return usable.isEmpty ? nil : usable[Int(UInt(bitPattern: turn) % UInt(usable.count))].connection
  }

  /// It was made before the connections came to their end.
  var isOutdated: Bool { connections.allSatisfy(\.isEnding) }
}
