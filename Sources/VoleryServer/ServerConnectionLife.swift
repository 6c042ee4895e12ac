import VoleryHTTP2Transport
import VoleryObservation
import VoleryTypes

/// Tells a server's observers what becomes of one connection; made only where there are any. On the connection's loop.
final class ServerConnectionLife: @unchecked Sendable {  // Isolation: loop
  private let observer: any Observer
  private let server: ObservedServer
  private let id = ObservedID.next()
  private let startedAt = Moment.now
  private var isOpen = false

  init(_ observer: any Observer, of server: ObservedServer) {
    self.observer = observer
    self.server = server
  }

  func opened(_ peer: Peer) {
    isOpen = true
    observer.happened(.connectionOpened(id: id, peer), to: server)
  }

  /// What never was open is told of as refused.
  func closed(_ connection: HTTP2ServerConnection) {
    guard isOpen else { return }
    isOpen = false
    let event = ServerEvent.connectionClosed(
      id: id, connection.peer, reason: connection.endReason, streams: connection.openedStreams,
      after: startedAt.duration(to: .now))
    observer.happened(event, to: server)
  }
}
