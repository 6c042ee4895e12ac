import Synchronization
import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryObservation
import VoleryPlatform
import VoleryPrimitives
import VoleryTLSSession
import VoleryTypes

/// A server's connections that have a socket: takes what its listeners accept, hands each to the loop that has the fewest, knows
/// those that are open, and ends them. Any thread.
final class ServerConnections: Sendable {
  private struct State {
    var open: [ObjectIdentifier: HTTP2ServerConnection] = [:]
    /// Of each loop, those that are about to be opened included.
    var counts: [ObjectIdentifier: Int] = [:]
    var isDraining = false
    /// The time to drain is over: what calls that come now end with.
    var endText: String?
    var waiters = WaiterList()

    var isEmpty: Bool { counts.values.allSatisfy { $0 == 0 } }
  }

  private let options: ServerOptions
  private let connectionOptions: ServerConnectionOptions
  private let dispatcher: CallDispatcher
  private let handshakes: HandshakeLimit
  private let log: ConnectionLog
  private let state = Mutex(State())

  init(_ options: ServerOptions, _ dispatcher: CallDispatcher, _ log: ConnectionLog) {
    self.options = options
    self.dispatcher = dispatcher
    self.log = log
    connectionOptions = options.connection
    handshakes = HandshakeLimit(options.maxConcurrentHandshakes)
  }

  /// Bytes of messages that wait on all of them, but for some ten KiB of each.
  var bufferedByteCount: Int { connectionOptions.buffers.shared.byteCount }

  // MARK: Opening

  /// On the listener's loop.
  ///
  /// - Parameter reloader: Nil for plaintext.
  func accepted(_ descriptor: Int32, _ isTCP: Bool, _ reloader: TLSReloader?, _ group: EventLoopGroup) {
    let loop: EventLoop? = state.withLock { state in
      guard state.counts.values.reduce(0, +) < options.maxConnections else { return nil }
      let loop = group.loops.min { left, right in
        state.counts[ObjectIdentifier(left), default: 0] < state.counts[ObjectIdentifier(right), default: 0]
      }!
      state.counts[ObjectIdentifier(loop), default: 0] += 1
      return loop
    }
    guard let loop else {
      close(descriptor)
      return refused(nil, "the server is at its limit of \(options.maxConnections) connections")
    }
    loop.execute { [self] in open(descriptor, isTCP, reloader, on: loop) }
  }

  private func open(_ descriptor: Int32, _ isTCP: Bool, _ reloader: TLSReloader?, on loop: EventLoop) {
    guard let socket = try? Socket(adopting: descriptor, isTCP: isTCP, on: loop) else { return ended(nil, on: loop) }
    let handshake: Handshake?
    do throws(TLSError) {
      handshake = try reloader.map { (reloader) throws(TLSError) in try beginHandshake(reloader) }
    } catch {
      refused(socket.remoteAddress.map(SocketAddress.init), error.description)
      socket.close()
      return ended(nil, on: loop)
    }
    let life = dispatcher.observer.map { ServerConnectionLife($0, of: dispatcher.server) }
    let connection = HTTP2ServerConnection(
      socket: socket, acceptor: dispatcher.copy(for: loop), options: connectionOptions, security: handshake?.session,
      handshakeSlot: handshake?.slot, onReady: { life?.opened($0) },
      onEnd: { [weak self] connection in
        life?.closed(connection)
        self?.ended(connection, on: loop)
      })
    let (isDraining, endText) = state.withLock { state in
      state.open[ObjectIdentifier(connection)] = connection
      return (state.isDraining, state.endText)
    }
    if let endText { connection.close(endingCallsWith: endText) } else if isDraining { connection.drain() }
  }

  private struct Handshake {
    let session: TLSSession
    let slot: HandshakeLimit.Slot
  }

  private func beginHandshake(_ reloader: TLSReloader) throws(TLSError) -> Handshake {
    guard let slot = handshakes.take() else {
      throw TLSError("the server is at its limit of \(options.maxConcurrentHandshakes) TLS handshakes in progress")
    }
    return Handshake(session: try TLSSession(reloader.current), slot: slot)
  }

  // MARK: Ending

  /// A connection that did not come to its first call.
  private func refused(_ client: SocketAddress?, _ reason: String) {
    log.refused(client, reason)
    dispatcher.observe(.connectionRefused(client, reason: reason))
  }

  private func ended(_ connection: HTTP2ServerConnection?, on loop: EventLoop) {
    if let connection, let reason = connection.refusal { refused(connection.peer.address, reason) }
    let waiters = state.withLock { state in
      state.counts[ObjectIdentifier(loop), default: 1] -= 1
      if let connection { state.open[ObjectIdentifier(connection)] = nil }
      return state.isEmpty ? state.waiters.takeAll() : WaiterList()
    }
    waiters.resumeAll()
  }

  /// Tells every client to look for another server, those that are still to come too. May be called twice; returns whether it
  /// is the first time.
  func drain() -> Bool {
    let (isFirst, connections) = state.withLock { state in
      defer { state.isDraining = true }
      return (!state.isDraining, Array(state.open.values))
    }
    for connection in connections { connection.loop.execute { connection.drain() } }
    return isFirst
  }

  /// Returns when there is none.
  func waitUntilEmpty() async { await state.wait(in: \.waiters) { $0.isEmpty } }

  /// The time to drain is over: calls that still run end with UNAVAILABLE and this text.
  func cutOff(_ text: String) {
    let connections = state.withLock { state in
      state.endText = text
      return Array(state.open.values)
    }
    for connection in connections { connection.loop.execute { connection.close(endingCallsWith: text) } }
  }

  /// Ends them at once.
  func closeAll(reason: String) {
    for connection in state.withLock({ Array($0.open.values) }) {
      connection.loop.execute { connection.close(reason: reason) }
    }
  }
}
