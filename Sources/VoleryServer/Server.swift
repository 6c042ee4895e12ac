import Logging
import Synchronization
import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryObservation
import VoleryPlatform
import VoleryPrimitives
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
    /// Made by the first `start`.
    var group: EventLoopGroup?
    var isStopped = false
    var isOver = false
    var stopWaiters = WaiterList()
  }

  let options: ServerOptions
  private let credentials: ServerCredentials
  private let connectionLog: ConnectionLog
  let log: ServerLog
  package let dispatcher: CallDispatcher
  private let connections: ServerConnections
  /// Bytes of messages that wait on all connections, but for some ten KiB of each.
  package var bufferedByteCount: Int { connections.bufferedByteCount }
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
    connectionLog = ConnectionLog(options.logger)
    log = ServerLog(options.logger)
    drainObservers = services.compactMap { $0 as? any DrainObserving }
    dispatcher = CallDispatcher(handlers: ServiceListing.handlers(of: services, options.logger), options: options)
    connections = ServerConnections(options, dispatcher, connectionLog)
  }

  // MARK: Listening

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
          try Listener(destination, on: group.next()) { [weak connections] descriptor, isTCP in
            if let connections { connections.accepted(descriptor, isTCP, reloader, group) } else { close(descriptor) }
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
  func eventLoops() throws(StatusError) -> EventLoopGroup {
    // Typed throws do not pass through the lock.
    let result = state.withLock { state -> Result<EventLoopGroup, SocketError> in
      if let group = state.group { return .success(group) }
      return Result { () throws(SocketError) in
        let group: EventLoopGroup
        if let loops = options.loops {
          group = loops
        } else if let count = options.eventLoops {
          group = try EventLoopGroup(loops: count)
        } else {
          group = try .shared()
        }
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
    let listener = InProcessListener(name: name, acceptor: dispatcher, watch: ServerInProcessWatch(dispatcher)) {
      group.next()
    }
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
    let listener = InProcessListener(
      name: name, acceptor: dispatcher, watch: ServerInProcessWatch(dispatcher),
      nextLoop: nextLoop ?? { group.next() })
    state.withLock { $0.inProcessListeners.append(listener) }
    return listener
  }

  func waitForStop() async { await state.wait(in: \.stopWaiters) { $0.isStopped } }

  /// Ends the waiting of `run`, which drains then. Any thread; may be called twice.
  package func stopRunning() {
    let waiters = state.withLock { state in
      state.isStopped = true
      return state.stopWaiters.takeAll()
    }
    waiters.resumeAll()
  }

  // MARK: Stopping

  /// Stops gracefully: tells every client to look for another server (a two-step GOAWAY), lets the running calls end, and
  /// closes. The listeners accept until then: a client that comes late is told to look elsewhere as soon as it is connected,
  /// and is not refused; the calls that it sends before it has heard of it, within a second at most, are served, and those that
  /// come later it sends to another server itself (they were never taken). What still runs after `limit` is cancelled,
  /// and its client gets UNAVAILABLE. May be called twice.
  public func drain(limit: Duration = .seconds(25)) async {
    for observer in drainObservers { observer.drainBegan() }
    if connections.drain() {
      dispatcher.drainSignal.begin()
      log.drains(calls: dispatcher.callCount)
      dispatcher.observe(.draining(calls: dispatcher.callCount))
    }
    let watchdog = Task { [self] in
      try? await Task.sleep(for: limit)
      if !Task.isCancelled { cutOff("the server is stopping: the call did not end within its time to drain, \(limit)") }
    }
    await connections.waitUntilEmpty()
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

  /// The time to drain is over: what still runs ends with UNAVAILABLE and this text, and `drain` returns.
  package func cutOff(_ text: String) {
    log.cutsOff(calls: dispatcher.callCount)
    connections.cutOff(text)
    for listener in state.withLock({ $0.inProcessListeners }) { listener.close(endingCallsWith: text) }
  }

  private func closeConnections(_ reason: String) {
    connections.closeAll(reason: reason)
    for listener in state.withLock({ $0.inProcessListeners }) { listener.close(reason: reason) }
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
