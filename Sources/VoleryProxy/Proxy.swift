import VoleryEventLoops
public import VoleryNameResolution
public import VoleryServer
public import VoleryTypes

/// Forwards gRPC calls, of any method and without its .proto, from the clients that connect to it to the servers behind a target,
/// or behind several, by routes.
///
///     let proxy = try Proxy(to: "dns:///orders:50051")
///     try await proxy.run(listeningOn: .tcp("0.0.0.0", 8080))
///
/// Docs/Proxy.md says what it does to a call.
public final class Proxy: Sendable {
  private let server: Server
  private let forwarder: ProxyForwarder

  /// A proxy that listens nowhere yet.
  ///
  /// - Parameters:
  ///   - target: As a channel's; it connects as soon as the proxy listens.
  ///   - services: The proxy's own, of which it forwards no calls: its health.
  /// - Throws: As a channel: a target that can't be read or resolved, certificates that can't be used.
  public convenience init(
    to target: String, services: [any Service] = [], options: ProxyOptions = ProxyOptions()
  ) throws(TargetError) {
    let target = ProxyTarget(target, credentials: options.channelCredentials, options: options.channel)
    try self.init(routes: [ProxyRoute(to: target)], services: services, options: options)
  }

  /// A proxy that listens nowhere yet, with several targets.
  ///
  /// - Parameters:
  ///   - routes: The first one that a call meets holds for it; one that meets none is refused with UNIMPLEMENTED.
  ///   - services: The proxy's own, of which it forwards no calls: its health.
  /// - Throws: As a channel: a target that can't be read or resolved, certificates that can't be used; and weights of a route
  ///   of which none is more than 0.
  public init(
    routes: [ProxyRoute], services: [any Service] = [], options: ProxyOptions = ProxyOptions()
  ) throws(TargetError) {
    let group: EventLoopGroup
    do throws(SocketError) { group = try .shared() } catch { throw TargetError("\(error)") }
    let loops = EventLoopGroup(Array(group.loops.prefix(max(1, options.eventLoops ?? .max))))
    forwarder = try ProxyForwarder(routes, options, on: loops)
    var server = options.server
    server.loops = loops
    server.forwarder = forwarder
    self.server = Server(services: services, credentials: options.serverCredentials, options: server)
  }

  /// Other routes, for all calls that come from now on; those that run go on as they began, and no connection is closed that has
  /// one. A `ProxyTarget` that was there before keeps its connections. All of it holds or nothing does. Any thread.
  ///
  /// - Parameter options: Of these, what concerns calls: `name`, `maxHops`, `keepsAuthority`, `identityHeader`, `accessLog`. The
  ///   others stay as they were when the proxy was made.
  /// - Throws: As `init`; nothing has changed then.
  public func update(routes: [ProxyRoute], options: ProxyOptions) throws(TargetError) {
    try forwarder.update(routes, options)
  }

  /// Listens and forwards; returns at once with the addresses that it really listens on.
  @discardableResult
  public func start(listeningOn addresses: ListenAddress...) throws(StatusError) -> [SocketAddress] {
    try start(listeningOn: addresses)
  }

  /// The same for a list.
  @discardableResult
  public func start(listeningOn addresses: [ListenAddress]) throws(StatusError) -> [SocketAddress] {
    let bound = try server.start(listeningOn: addresses)
    forwarder.connect()
    return bound
  }

  /// Listens and forwards until the proxy is stopped: SIGTERM or SIGINT, its task's cancellation, or `drain`. Then it tells its
  /// clients to look elsewhere (a two-step GOAWAY), lets the calls that it has end, and returns.
  ///
  /// - Parameter whenListening: Called once with the addresses that it really listens on: the place to say them, as a signal that
  ///   comes from here on, or has come since `run` began, drains the proxy. Nothing by default.
  public func run(
    listeningOn addresses: ListenAddress..., whenListening: ([SocketAddress]) -> Void = { _ in }
  ) async throws(StatusError) {
    try await run(listeningOn: addresses, whenListening: whenListening)
  }

  /// The same for a list.
  public func run(
    listeningOn addresses: [ListenAddress], whenListening: ([SocketAddress]) -> Void = { _ in }
  ) async throws(StatusError) {
    try await server.run(listeningOn: addresses) { bound in
      // Not before: a target that leads back here would be refused, and its calls with it until the next try. Calls that come
      // meanwhile wait for their connection.
      forwarder.connect()
      whenListening(bound)
    } _: {
      await drainForwarder()
    }
  }

  /// After `start`: until the proxy is stopped, as `run`. Signals that come before do what they do without the proxy.
  public func waitUntilStopped() async { await server.waitUntilStopped { await drainForwarder() } }

  /// The clients' calls are over.
  private func drainForwarder() async { await forwarder.drain(limit: .seconds(1)) }

  /// Stops gracefully; what still runs after `limit` ends with UNAVAILABLE.
  public func drain(limit: Duration = .seconds(25)) async {
    await server.drain(limit: limit)
    await drainForwarder()
  }
}
