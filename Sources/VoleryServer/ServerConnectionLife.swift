import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryObservation
import VoleryTransport
import VoleryTypes

/// Tells a server's observers what becomes of one connection; made only where there are any. On the connection's loop.
final class ServerConnectionLife: @unchecked Sendable {  // Isolation: loop
  private let observer: any Observer
  private let server: ObservedServer
  private var life = ObservedLife()
  private var gauge: ConnectionGauge?

  init(_ observer: any Observer, of server: ObservedServer) {
    self.observer = observer
    self.server = server
  }

  func opened(_ connection: HTTP2ServerConnection) {
    guard opened(connection.peer) else { return }
    let gauge = ConnectionGauge(id: life.id) { answer in connection.loop.execute { answer(connection.figures) } }
    self.gauge = gauge
    observer.opened(gauge)
  }

  /// What never was open is told of as refused.
  func closed(_ connection: HTTP2ServerConnection) {
    closed(connection.peer, reason: connection.endReason, streams: connection.openedStreams)
  }

  fileprivate func closed(_ peer: Peer, reason: String?, streams: Int) {
    gauge.take()?.close()
    guard life.ended() == .open else { return }
    observer.happened(
      .connectionClosed(id: life.id, peer, reason: reason, streams: streams, after: life.age), to: server)
  }

  /// Returns whether that is news.
  @discardableResult
  fileprivate func opened(_ peer: Peer) -> Bool {
    guard life.opened() else { return false }
    observer.happened(.connectionOpened(id: life.id, peer), to: server)
    return true
  }
}

/// The same for connections within the process.
struct ServerInProcessWatch: InProcessWatch {
  private let observer: any Observer
  private let server: ObservedServer

  /// Nil where nobody looks.
  init?(_ dispatcher: CallDispatcher) {
    guard let observer = dispatcher.observer else { return nil }
    self.observer = observer
    server = dispatcher.server
  }

  func opened(_ peer: Peer) -> (_ reason: String?, _ streams: Int) -> Void {
    let life = ServerConnectionLife(observer, of: server)
    life.opened(peer)
    return { life.closed(peer, reason: $0, streams: $1) }
  }
}
