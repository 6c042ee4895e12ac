import VoleryTransport

/// The connections of a ready subchannel as calls see them: an immutable part of the published snapshot.
struct ConnectionOffer: Sendable {
  /// Oldest first; never empty.
  let connections: [ChannelConnection]
  let driver: SubchannelDriver
  /// Another one is on its way.
  let isGrowing: Bool
  /// Another one may be asked for.
  let mayGrow: Bool

  /// The oldest connection that has room (gRFC A105).
  var withRoom: (any ClientConnection)? {
    if connections.count == 1 { return connections[0].isFull ? nil : connections[0].connection }
    guard let found = connections.first(where: { !$0.isFull }) else { return nil }
    found.markUse()
    return found.connection
  }

  /// One of the full connections: the call waits there for its turn.
  func queueing(_ turn: Int) -> (any ClientConnection)? {
    connections[Int(UInt(bitPattern: turn) % UInt(connections.count))].connection
  }
}
