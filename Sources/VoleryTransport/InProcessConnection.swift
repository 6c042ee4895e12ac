package import VoleryTypes

/// Both ends of a connection that has no wire. Its streams live on one loop; what one end says reaches the other in a later
/// turn, as it would over a socket.
package final class InProcessConnection: ClientConnection, Dial, @unchecked Sendable {  // Isolation: loop
  package let transportLoop: any TransportLoop
  package let peer: Peer
  package var maxConcurrentStreams: Int { .max }
  /// Without a wire nothing comes between: the server has had whatever was opened.
  package var tally: ConnectionTally { ConnectionTally(opened: openedCount, taken: openedCount, served: openedCount) }
  /// The most bytes of a response's metadata that the client takes.
  let maxMetadataBytes: Int
  private let listener: InProcessListener
  // On the loop.
  private var observer: (any ClientConnectionObserver)?
  private var streams: [ObjectIdentifier: InProcessStream] = [:]
  private var openedCount = 0
  private var isDraining = false
  private var isClosed = false
  /// The server's watch; nil before the beginning, after the end, and where nobody looks.
  private var tellEnd: ((_ reason: String?, _ streams: Int) -> Void)?

  init(
    listener: InProcessListener, loop: any TransportLoop, maxMetadataBytes: Int, observer: any ClientConnectionObserver
  ) {
    self.maxMetadataBytes = maxMetadataBytes
    self.listener = listener
    self.transportLoop = loop
    self.observer = observer
    self.peer = Peer(address: .inProcess(listener.name))
  }

  func start() {
    transportLoop.execute { [self] in
      if !isClosed, let watch = listener.watch { tellEnd = watch.opened(peer) }
      observer?.connectionReady(self)
    }
  }

  package func openStream(_ head: consuming ClientRequestHead, handler: any ClientStreamHandler) -> any ClientStream {
    let stream = InProcessStream(connection: self, head: head, handler: handler)
    if isDraining || isClosed {
      transportLoop.execute { stream.refuse() }
    } else {
      openedCount += 1
      streams[ObjectIdentifier(stream)] = stream
      transportLoop.execute { [self] in stream.arrive(listener.acceptor) }
    }
    return stream
  }

  func ended(_ stream: InProcessStream) {
    streams[ObjectIdentifier(stream)] = nil
    if isDraining, streams.isEmpty { finish(nil) }
  }

  /// Nothing is used up here, and there is no proxy that would count.
  package func announceEnd(afterStreams count: Int) {}

  /// The server's GOAWAY.
  func drainFromServer() {
    transportLoop.execute { [self] in
      guard !isDraining, !isClosed else { return }
      isDraining = true
      observer?.connectionDraining(self, cause: .goodbye, reason: "the server is stopping")
      if streams.isEmpty { finish(nil) }
    }
  }

  package func drain() {
    transportLoop.execute { [self] in
      isDraining = true
      if streams.isEmpty { finish(nil) }
    }
  }

  package func close(reason: String) {
    transportLoop.execute { [self] in finish(reason) }
  }

  /// The server's time to drain is over.
  func close(endingCallsWith text: String) {
    transportLoop.execute { [self] in
      for stream in streams.values { stream.cutOff(text) }
      // Behind the ends of the streams, which come in a turn of their own.
      transportLoop.execute { [self] in finish(text) }
    }
  }

  package func cancel() {
    transportLoop.execute { [self] in
      observer = nil
      finish("given up")
    }
  }

  private func finish(_ reason: String?) {
    guard !isClosed else { return }
    isClosed = true
    for stream in streams.values { stream.connectionLost(reason ?? "closed") }
    streams = [:]
    tellEnd.take()?(reason, openedCount)
    listener.ended(self)
    observer.take()?.connectionClosed(error: reason)
  }
}
