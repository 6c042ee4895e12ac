import VoleryHTTP2Transport
import VoleryObservation
import VoleryTypes

/// Tells a server's observers what becomes of one connection; made only where there are any. On the connection's loop.
final class ServerConnectionLife: @unchecked Sendable {  // Isolation: loop
  private let observer: any Observer
  private let server: ObservedServer
  private var life = ObservedLife()

  init(_ observer: any Observer, of server: ObservedServer) {
    self.observer = observer
    self.server = server
  }

  func opened(_ peer: Peer) {
    if life.opened() { observer.happened(.connectionOpened(id: life.id, peer), to: server) }
  }

  /// What never was open is told of as refused.
  func closed(_ connection: HTTP2ServerConnection) {
    guard life.ended() == .open else { return }
    let event = ServerEvent.connectionClosed(
      id: life.id, connection.peer, reason: connection.endReason, streams: connection.openedStreams,
      after: life.age)
    observer.happened(event, to: server)
  }
}
