import Logging
import Synchronization
import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryObservation
import VoleryPlatform
import VoleryTLSSession
package import VoleryTransport
public import VoleryTypes

/// A gRPC server.
///
///     let server = Server(services: [Greeter()])
///     try await server.run(listeningOn: .tcp("0.0.0.0", 50051))
///
/// `run` serves until the process gets SIGTERM or SIGINT, its task is cancelled, or `drain` or `shutDown` is called; then
/// it lets the running calls end and returns. `start` does the same without waiting.
public final class Server: Sendable {
  private struct State {
    var listeners: [Listener] = []
    var inProcessListeners: [InProcessListener] = []
    /// Watch their files as long as they are here.
    var reloaders: [TLSReloader] = []
    /// From the first listener on, until the server stops.
    var watchdog: StallWatchdog?
    var connections: [ObjectIdentifier: HTTP2ServerConnection] = [:]
    var connectionsOfLoop: [ObjectIdentifier: Int] = [:]
    /// Made by the first `start`.
    var group: EventLoopGroup?
    var isDraining = false
    var isStopped = false
    var isOver = false
    /// When a signal came that somebody else in the process handles too.
    var sharedSignalTime: ContinuousClock.Instant?
    var stopWaiters: [CheckedContinuation<Void, Never>] = []
    var drainWaiters: [CheckedContinuation<Void, Never>] = []
  }

  private let options: ServerOptions
  private let credentials: ServerCredentials
  private let handshakes: HandshakeLimit
  private let connectionLog: ConnectionLog
  private let log: ServerLog
  private let connectionOptions: ServerConnectionOptions
  package let dispatcher: CallDispatcher
  /// Bytes of messages that wait on all connections, but for some ten KiB of each.
  package var bufferedByteCount: Int { connectionOptions.buffers.shared.byteCount }
  private let drainObservers: [any DrainObserving]
  private let state = Mutex(State())

  /// A server of these services, which listens nowhere yet.
  ///
  /// - Parameter credentials: Of every listener that is not given its own.
  /// - Precondition: no two services have a method in common.
  public init(
    services: [any Service], credentials: ServerCredentials = .plaintext, options: ServerOptions = ServerOptions()
  ) {
    self.options = options
    self.credentials = credentials
    handshakes = HandshakeLimit(options.maxConcurrentHandshakes)
    connectionLog = ConnectionLog(options.logger)
    log = ServerLog(options.logger)
    connectionOptions = options.connection
    drainObservers = services.compactMap { $0 as? any DrainObserving }
    dispatcher = CallDispatcher(handlers: services.flatMap(\.handlers), options: options)
  }

  // MARK: Serving

  /// Listens and serves until the server is stopped; returns after its calls have ended, at the latest after
  /// `ServerOptions.drainLimit`.
  ///
  /// In a ServiceGroup of swift-service-lifecycle use `service` of VoleryServiceLifecycle instead: only that hears when it
  /// is the server's turn to stop (Docs/Stopping.md).
  ///
  /// - Throws: `StatusError` UNAVAILABLE when an address can't be listened on, naming it, or the process has not enough
  ///   descriptors left; FAILED_PRECONDITION when certificates or keys can't be used, naming them.
  public func run(
    listeningOn addresses: ListenAddress..., credentials: ServerCredentials? = nil
  ) async throws(StatusError) {
    try start(listeningOn: addresses, credentials: credentials)
    await waitUntilStopped()
  }

  /// Waits, after `start`, until the server is stopped by a signal, by cancelling the waiting task, or by `drain` or
  /// `shutDown`; then lets the running calls end, as `run` does.
  public func waitUntilStopped() async {
    await waitUntilStopped(handlesSignals: options.handlesSignals)
  }

  package func waitUntilStopped(handlesSignals: Bool) async {
    log.runs()
    let shared = handlesSignals ? watchSharedSignals() : []
    let signals = handlesSignals && shared.isEmpty ? watchSignals() : []
    await withTaskCancellationHandler {
      await waitForStop()
    } onCancel: {
      stopRunning()
    }
    await drain(limit: options.drainLimit)
    for signal in signals { await signal.close() }
    for signal in shared { signal.close() }
    await letOthersHear()
  }

  /// Whoever else handles the signal may take it for a fault that `run` returns before he has heard of the signal himself: a
  /// ServiceGroup then ends the process.
  private func letOthersHear() async {
    guard let time = state.withLock({ $0.sharedSignalTime }) else { return }
    try? await Task.sleep(until: time.advanced(by: .seconds(1)), clock: .continuous)
  }

  /// Listens and serves; returns at once with the addresses that it really listens on, in the order given. May be called
  /// again, with other credentials too: TLS for the world beside plaintext for a unix socket.
  ///
  /// - Parameter credentials: Of these listeners; nil: the server's.
  @discardableResult
  public func start(
    listeningOn addresses: ListenAddress..., credentials: ServerCredentials? = nil
  ) throws(StatusError) -> [SocketAddress] {
    try start(listeningOn: addresses, credentials: credentials)
  }

  /// The same for a list.
  @discardableResult
  public func start(
    listeningOn addresses: [ListenAddress], credentials: ServerCredentials? = nil
  ) throws(StatusError) -> [SocketAddress] {
    let group = try eventLoops()
    let reloader = try makeReloader(credentials ?? self.credentials, on: group)
    var listeners: [Listener] = []
    var bound: [SocketAddress] = []
    do throws(SocketError) {
      try startWatchdog(group)
      for address in addresses {
        guard let destination = SocketDestination(address) else {
          if case .inProcess(let name) = address { bound.append(try startInProcess(name, on: group)) }
          continue
        }
        listeners.append(
          try Listener(destination, on: group.next()) { [weak self] descriptor, isTCP in
            if let self { accepted(descriptor, isTCP, reloader, group) } else { close(descriptor) }
          })
        bound.append(SocketAddress(listeners[listeners.count - 1].localAddress))
      }
    } catch {
      for listener in listeners { listener.stop() }
      throw StatusError(.unavailable, error.description)
    }
    state.withLock { state in
      state.listeners += listeners
      if let reloader { state.reloaders.append(reloader) }
    }
    for listener in listeners { listener.start() }
    log.listens(bound)
    dispatcher.observe(.listening(bound))
    return bound
  }

  /// Reads certificates and keys; nil for plaintext.
  private func makeReloader(
    _ credentials: ServerCredentials, on group: EventLoopGroup
  ) throws(StatusError) -> TLSReloader? {
    guard let configuration = credentials.configuration else { return nil }
    do throws(TLSError) {
      return try TLSReloader(configuration, on: group.next()) { [connectionLog] in connectionLog.files($0) }
    } catch {
      throw StatusError(.failedPrecondition, error.description)
    }
  }

  /// The server's own, or those of the process.
  private func eventLoops() throws(StatusError) -> EventLoopGroup {
    // Typed throws do not pass through the lock.
    let result = state.withLock { state -> Result<EventLoopGroup, SocketError> in
      if let group = state.group { return .success(group) }
      return Result { () throws(SocketError) in
        let group: EventLoopGroup
        if let count = options.eventLoops { group = try EventLoopGroup(loops: count) } else { group = try .shared() }
        state.group = group
        return group
      }
    }
    do throws(SocketError) { return try result.get() } catch { throw StatusError(.unavailable, error.description) }
  }

  private func startWatchdog(_ group: EventLoopGroup) throws(SocketError) {
    guard let threshold = options.stallThreshold, state.withLock({ $0.watchdog == nil }) else { return }
    let watchdog = try StallWatchdog(group.loops, threshold: threshold, logger: options.logger) { [dispatcher] tag in
      dispatcher.name(ofTag: tag)
    }
    state.withLock { $0.watchdog = watchdog }
  }

  private func startInProcess(_ name: String, on group: EventLoopGroup) throws(SocketError) -> SocketAddress {
    let listener = InProcessListener(name: name, acceptor: dispatcher) { group.next() }
    guard listener.start() else {
      throw SocketError(code: -1, description: "another server of this process listens as \"\(name)\"")
    }
    state.withLock { $0.inProcessListeners.append(listener) }
    return .inProcess(name)
  }

  /// Serves those alone who are given the listener: no name is taken, nothing is logged.
  ///
  /// - Parameter nextLoop: Of each connection; nil: the server's own loops.
  package func startPrivately(
    as name: String, nextLoop: (@Sendable () -> any TransportLoop)? = nil
  ) throws(StatusError) -> InProcessListener {
    let group = try eventLoops()
    let listener = InProcessListener(name: name, acceptor: dispatcher, nextLoop: nextLoop ?? { group.next() })
    state.withLock { $0.inProcessListeners.append(listener) }
    return listener
  }

  private static let signals = [SIGTERM, SIGINT]

  private func watchSignals() -> [SignalWatch] {
    // Without loops there is nothing to stop.
    guard let group = try? eventLoops() else { return [] }
    return Server.signals.map { number in
      SignalWatch(number, on: group.next()) { [weak self] in self?.stopRunning() }
    }
  }

  /// Where the program, or a library of it, handles one of the signals itself, it has decided which ones end it: the server
  /// hears of those too, and of no others.
  private func watchSharedSignals() -> [SharedSignalWatch] {
    Server.signals.filter { SignalWatch.isHandledByOthers($0) }.map { number in
      SharedSignalWatch(number) { [weak self] in
        self?.state.withLock { $0.sharedSignalTime = .now }
        self?.stopRunning()
      }
    }
  }

  private func waitForStop() async {
    await withCheckedContinuation { waiter in
      let isStopped = state.withLock { state in
        if !state.isStopped { state.stopWaiters.append(waiter) }
        return state.isStopped
      }
      if isStopped { waiter.resume() }
    }
  }

  /// Ends the waiting of `run`, which drains then. Any thread; may be called twice.
  package func stopRunning() {
    let waiters = state.withLock { state in
      state.isStopped = true
      defer { state.stopWaiters = [] }
      return state.stopWaiters
    }
    for waiter in waiters { waiter.resume() }
  }

  // MARK: Connections

  /// On the listener's loop: hands the connection to the loop that has the fewest.
  private func accepted(
    _ descriptor: Int32, _ isTCP: Bool, _ reloader: TLSReloader?, _ group: EventLoopGroup
  ) {
    let loop: EventLoop? = state.withLock { state in
      guard state.connectionsOfLoop.values.reduce(0, +) < options.maxConnections else { return nil }
      let loop = group.loops.min { left, right in
        state.connectionsOfLoop[ObjectIdentifier(left), default: 0]
          < state.connectionsOfLoop[ObjectIdentifier(right), default: 0]
      }!
      state.connectionsOfLoop[ObjectIdentifier(loop), default: 0] += 1
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
      socket: socket, acceptor: dispatcher, options: connectionOptions, security: handshake?.session,
      handshakeSlot: handshake?.slot, onReady: { life?.opened($0.peer) },
      onEnd: { [weak self] connection in
        life?.closed(connection)
        self?.ended(connection, on: loop)
      })
    let isDraining = state.withLock { state in
      state.connections[ObjectIdentifier(connection)] = connection
      return state.isDraining
    }
    if isDraining { connection.drain() }
  }

  /// A connection that did not come to its first call.
  private func refused(_ client: SocketAddress?, _ reason: String) {
    connectionLog.refused(client, reason)
    dispatcher.observe(.connectionRefused(client, reason: reason))
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

  private func ended(_ connection: HTTP2ServerConnection?, on loop: EventLoop) {
    if let connection, let reason = connection.refusal { refused(connection.peer.address, reason) }
    let waiters: [CheckedContinuation<Void, Never>] = state.withLock { state in
      state.connectionsOfLoop[ObjectIdentifier(loop), default: 1] -= 1
      if let connection { state.connections[ObjectIdentifier(connection)] = nil }
      guard state.connectionsOfLoop.values.allSatisfy({ $0 == 0 }) else { return [] }
      defer { state.drainWaiters = [] }
      return state.drainWaiters
    }
    for waiter in waiters { waiter.resume() }
  }

  // MARK: Stopping

  /// Stops gracefully: tells every client to look for another server (a two-step GOAWAY), lets the running calls end, and
  /// closes. The listeners accept until then: a client that comes late is told to look elsewhere as soon as it is connected,
  /// and is not refused; the calls that it sends before it has heard of it, within a second at most, are served, and those that
  /// come later it sends to another server itself (they were never taken). What still runs after `limit` is cancelled,
  /// and its client gets UNAVAILABLE. May be called twice.
  public func drain(limit: Duration = .seconds(25)) async {
    for observer in drainObservers { observer.drainBegan() }
    let (isFirst, connections) = state.withLock { state in
      defer { state.isDraining = true }
      return (!state.isDraining, Array(state.connections.values))
    }
    if isFirst {
      dispatcher.drainSignal.begin()
      log.drains(calls: dispatcher.callCount)
      dispatcher.observe(.draining(calls: dispatcher.callCount))
    }
    for connection in connections { connection.loop.execute { connection.drain() } }
    let watchdog = Task { [self] in
      try? await Task.sleep(for: limit)
      if !Task.isCancelled { cutOff("the server is stopping: the call did not end within its time to drain, \(limit)") }
    }
    await waitForConnections()
    for listener in state.withLock({ $0.inProcessListeners }) { await listener.drain() }
    watchdog.cancel()
    stopListeners()
    stopRunning()
    tellStopped()
  }

  /// Stops at once: running calls are cancelled, connections closed.
  public func shutDown() {
    stopListeners()
    closeConnections("the server is shut down")
    stopRunning()
    tellStopped()
  }

  private func tellStopped() {
    let isFirst = state.withLock { state in
      defer { state.isOver = true }
      return !state.isOver
    }
    if isFirst {
      log.stopped()
      dispatcher.observe(.stopped)
    }
  }

  private func waitForConnections() async {
    await withCheckedContinuation { waiter in
      let isEmpty = state.withLock { state in
        let isEmpty = state.connectionsOfLoop.values.allSatisfy { $0 == 0 }
        if !isEmpty { state.drainWaiters.append(waiter) }
        return isEmpty
      }
      if isEmpty { waiter.resume() }
    }
  }

  /// The time to drain is over: what still runs ends with UNAVAILABLE and this text, and `drain` returns.
  package func cutOff(_ text: String) {
    log.cutsOff(calls: dispatcher.callCount)
    let (connections, inProcess) = state.withLock { (Array($0.connections.values), $0.inProcessListeners) }
    for connection in connections { connection.loop.execute { connection.close(endingCallsWith: text) } }
    for listener in inProcess { listener.close(endingCallsWith: text) }
  }

  private func closeConnections(_ reason: String) {
    let (connections, inProcess) = state.withLock { (Array($0.connections.values), $0.inProcessListeners) }
    for connection in connections { connection.loop.execute { connection.close(reason: reason) } }
    for listener in inProcess { listener.close(reason: reason) }
  }

  private func stopListeners() {
    let listeners = state.withLock { state in
      defer { state.listeners = [] }
      state.reloaders = []
      state.watchdog = nil
      return state.listeners
    }
    for listener in listeners { listener.stop() }
    for listener in state.withLock({ $0.inProcessListeners }) { listener.stop() }
  }
}

extension SocketDestination {
  /// Nil for a server that has no socket.
  init?(_ address: ListenAddress) {
    switch address {
    case .tcp(let host, let port): self = .tcp(host: host, port: port)
    case .unix(let path): self = .unix(path: path)
    case .unixAbstract(let name): self = .unixAbstract(name: name)
    case .inProcess: return nil
    }
  }
}
