import VoleryEventLoops
public import VoleryNameResolution
public import VoleryServer
public import VoleryTypes

/// Forwards gRPC calls, of any method and without its .proto, from the clients that connect to it to the servers behind a target.
///
///     let proxy = try Proxy(to: "dns:///orders:50051")
///     try await proxy.run(listeningOn: .tcp("0.0.0.0", 8080))
///
/// Docs/Proxy.md says what it does to a call.
public final class Proxy: Sendable {
  private let server: Server
  private let forwarder: ProxyForwarder
  private let options: ProxyOptions

  /// A proxy that listens nowhere yet.
  ///
  /// - Parameters:
  ///   - target: As a channel's; it connects at once.
  ///   - services: The proxy's own, of which it forwards no calls: its health.
  /// - Throws: As a channel: a target that can't be read or resolved, certificates that can't be used.
  public init(
    to target: String, services: [any Service] = [], options: ProxyOptions = ProxyOptions()
  ) throws(TargetError) {
    let group: EventLoopGroup
    do throws(SocketError) { group = try .shared() } catch { throw TargetError("\(error)") }
    let loops = EventLoopGroup(Array(group.loops.prefix(max(1, options.eventLoops ?? .max))))
    self.options = options
    forwarder = try ProxyForwarder(to: target, options, on: loops)
    var server = options.server
    server.loops = loops
    server.forwarder = forwarder
    self.server = Server(services: services, credentials: options.serverCredentials, options: server)
  }

  /// Listens and forwards; returns at once with the addresses that it really listens on.
  @discardableResult
  public func start(listeningOn addresses: ListenAddress...) throws(StatusError) -> [SocketAddress] {
    try start(listeningOn: addresses)
  }

  /// The same for a list.
  @discardableResult
  public func start(listeningOn addresses: [ListenAddress]) throws(StatusError) -> [SocketAddress] {
    forwarder.connect()
    return try server.start(listeningOn: addresses)
  }

  /// Listens and forwards until the proxy is stopped: SIGTERM or SIGINT, its task's cancellation, or `drain`. Then it tells its
  /// clients to look elsewhere (a two-step GOAWAY), lets the calls that it has end, and returns.
  public func run(listeningOn addresses: ListenAddress...) async throws(StatusError) {
    try start(listeningOn: addresses)
    await waitUntilStopped()
  }

  /// After `start`: until the proxy is stopped, as `run`.
  public func waitUntilStopped() async {
    await server.waitUntilStopped()
    await forwarder.drain(limit: .seconds(1))
  }

  /// Stops gracefully; what still runs after `limit` ends with UNAVAILABLE.
  public func drain(limit: Duration = .seconds(25)) async {
    await server.drain(limit: limit)
    await forwarder.drain(limit: .seconds(1))
  }
}
