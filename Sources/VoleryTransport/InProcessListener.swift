import Synchronization
import VoleryPrimitives
package import VoleryTypes

/// Hears of the connections to a server that have no socket.
package protocol InProcessWatch: Sendable {
  /// A client is connected. On the connection's loop, where what is returned is called once, at the end, with the reason (nil
  /// where it has ended as it should) and the streams that were opened.
  func opened(_ peer: Peer) -> (_ reason: String?, _ streams: Int) -> Void
}

/// A server that clients of the same process reach by a name, without sockets. Any thread.
package final class InProcessListener: Sendable {
  private struct State {
    var connections: [ObjectIdentifier: InProcessConnection] = [:]
    var isDraining = false
    var isStopped = false
    var waiters = WaiterList()
  }

  private static let registry = Mutex<[String: InProcessListener]>([:])

  package let name: String
  let acceptor: any ServerStreamAcceptor
  private let nextLoop: @Sendable () -> any TransportLoop
  let watch: (any InProcessWatch)?
  private let state = Mutex(State())

  /// - Parameters:
  ///   - watch: Nil: nobody looks.
  ///   - nextLoop: Of each connection.
  package init(
    name: String, acceptor: any ServerStreamAcceptor, watch: (any InProcessWatch)? = nil,
    nextLoop: @escaping @Sendable () -> any TransportLoop
  ) {
    self.watch = watch
    self.name = name
    self.acceptor = acceptor
    self.nextLoop = nextLoop
  }

  /// False when another server has the name.
  package func start() -> Bool {
    InProcessListener.registry.withLock { registry in
      guard registry[name] == nil else { return false }
      registry[name] = self
      return true
    }
  }

  /// Takes no more connections.
  package func stop() {
    state.withLock { $0.isStopped = true }
    InProcessListener.registry.withLock { registry in
      if registry[name] === self { registry[name] = nil }
    }
  }

  /// Connects to the server of this name; the observer hears of it later.
  ///
  /// - Parameter maxMetadataBytes: The most bytes of a response's metadata that the client takes.
  package static func connect(
    to name: String, maxMetadataBytes: Int, observer: any ClientConnectionObserver, failingOn loop: any TransportLoop
  ) -> any Dial {
    guard let listener = registry.withLock({ $0[name] }) else {
      return refuse(observer, "no server of this process listens as \"\(name)\"", on: loop)
    }
    return listener.connect(maxMetadataBytes: maxMetadataBytes, observer: observer)
  }

  /// An attempt that comes to nothing, for this reason.
  package static func refuse(
    _ observer: any ClientConnectionObserver, _ reason: String, on loop: any TransportLoop
  ) -> any Dial {
    loop.execute { observer.connectionClosed(error: reason) }
    return NoDial()
  }

  /// Connects to this server; the observer hears of it later.
  ///
  /// - Parameter maxMetadataBytes: The most bytes of a response's metadata that the client takes.
  package func connect(maxMetadataBytes: Int, observer: any ClientConnectionObserver) -> any Dial {
    let loop = nextLoop()
    guard !state.withLock({ $0.isStopped }) else {
      return InProcessListener.refuse(observer, "the server \"\(name)\" is stopped", on: loop)
    }
    let connection = InProcessConnection(
      listener: self, loop: loop, maxMetadataBytes: maxMetadataBytes, observer: observer)
    let isDraining = state.withLock { state in
      state.connections[ObjectIdentifier(connection)] = connection
      return state.isDraining
    }
    connection.start()
    if isDraining { connection.drainFromServer() }
    return connection
  }

  /// Lets the running calls end, takes no more; returns when all have ended.
  package func drain() async {
    let connections = state.withLock { state in
      state.isDraining = true
      return Array(state.connections.values)
    }
    for connection in connections { connection.drainFromServer() }
    await state.wait(in: \.waiters) { $0.connections.isEmpty }
  }

  package func close(reason: String) {
    for connection in state.withLock({ Array($0.connections.values) }) { connection.close(reason: reason) }
  }

  /// Ends the calls that run with UNAVAILABLE and this text, and closes.
  package func close(endingCallsWith text: String) {
    for connection in state.withLock({ Array($0.connections.values) }) { connection.close(endingCallsWith: text) }
  }

  func ended(_ connection: InProcessConnection) {
    let waiters = state.withLock { state in
      state.connections[ObjectIdentifier(connection)] = nil
      return state.connections.isEmpty ? state.waiters.takeAll() : WaiterList()
    }
    waiters.resumeAll()
  }
}

private final class NoDial: Dial {
  func cancel() {}
}
