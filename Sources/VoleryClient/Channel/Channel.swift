import VoleryDNS
package import VoleryEventLoops
import VoleryHTTP2Transport
public import VoleryNameResolution
import VoleryTLSSession
import VoleryTransport
public import VoleryTypes

/// A virtual connection to all the servers behind a target. Make one for each target and share it; it is idle until the
/// first call, and closes its connections when the last reference to it is gone and its calls have ended.
///
///     let channel = try Channel("dns:///orders:50051")
///     let reply = try await OrdersClient(channel).get(request)
public final class Channel: Sendable {
  let core: ChannelCore

  /// A channel to whoever is behind the target; it connects when it is first used.
  ///
  /// - Parameters:
  ///   - target: For example `dns:///orders:50051` or just `orders:50051`; `Target` lists the forms.
  ///   - credentials: `.tls()` for TLS; plaintext by default.
  /// - Throws: `TargetError` when the target can't be read, its scheme is unknown, or can't ever be resolved, and when
  ///   certificates or keys of the credentials can't be used, naming them; also where the process has not enough
  ///   descriptors left for its event loops, which the first channel or server makes.
  public convenience init(
    _ target: String, credentials: ChannelCredentials = .plaintext, options: ChannelOptions = ChannelOptions()
  ) throws(TargetError) {
    try self.init(target, credentials: credentials, options: options, on: nil)
  }

  /// The same on these loops alone; nil: the process's.
  package init(
    _ target: String, credentials: ChannelCredentials, options: ChannelOptions, on loops: EventLoopGroup?
  ) throws(TargetError) {
    var options = options
    options.callCredentials = credentials.calls
    options.resolvers = options.resolvers.adopting(
      ResolverSettings(
        refreshInterval: options.refreshInterval, readsServiceConfigFromDNS: options.readsServiceConfigFromDNS))
    let parsed = try Target(parsing: target, knownSchemes: options.resolvers.schemes)
    let group = if let loops { loops } else { try Channel.eventLoops(for: parsed) }
    let loop = group.next()
    func connector(_ credentials: ChannelCredentials) throws(TargetError) -> HTTP2Connector {
      HTTP2Connector(
        group: group, options: options.connection,
        makeSecurity: try Channel.makeSecurityMaker(credentials, parsed, options, on: loop))
    }
    var byCluster: [String: any ClientConnector] = [:]
    for (cluster, credentials) in options.clusterCredentials {
      guard credentials.calls.isEmpty else {
        throw TargetError(
          "the credentials of the cluster \"\(cluster)\" bring call credentials: those are the channel's, or a call's own"
        )
      }
      byCluster[cluster] = try connector(credentials)
    }
    var byEndpoint: EndpointConnectors?
    if credentials.takesEndpointCredentials {
      byEndpoint = EndpointConnectors { [options] credentials in
        do {
          let make = try Channel.makeSecurityMaker(credentials, parsed, options, on: loop)
          return HTTP2Connector(group: group, options: options.connection, makeSecurity: make)
        } catch {
          return HTTP2Connector(group: group, options: options.connection) { _, _ in throw error }
        }
      }
    }
    let connectors = ClientConnectors(
      try connector(credentials), byCluster: byCluster, byEndpoint: byEndpoint)
    core = try ChannelCore(target: parsed, options: options, connectors: connectors, loop: loop)
  }

  /// A channel with connectors of its own: a test's.
  package init(core: ChannelCore) { self.core = core }

  private static func eventLoops(for target: Target) throws(TargetError) -> EventLoopGroup {
    do throws(SocketError) {
      return try .shared()
    } catch {
      throw TargetError("the channel to \(target): \(error)")
    }
  }

  private static func makeSecurityMaker(
    _ credentials: ChannelCredentials, _ target: Target, _ options: ChannelOptions, on loop: EventLoop
  ) throws(TargetError) -> ChannelCredentials.SecurityMaker? {
    let log = ChannelLog(target: target, logger: options.logger)
    do throws(TLSError) {
      return try credentials.makeSecurityMaker(on: loop) { log.files($0) }
    } catch {
      throw TargetError("the credentials of the channel to \(target): \(error)")
    }
  }

  deinit {
    core.loop.execute { [core] in core.released() }
  }

  /// The target as it was understood.
  public var target: Target { core.target }

  /// The state of the channel now (doc/connectivity-semantics-and-api.md).
  public var state: ConnectivityState { core.connectivity.current }

  /// The state now, then every change; ends when the channel is closed.
  public var stateChanges: AsyncStream<ConnectivityState> { core.connectivity.changes() }

  /// Waits until the state is another one than `state`, and returns it; at once when it already is. Returns the current
  /// state when the waiting task is cancelled.
  public func waitForStateChange(from state: ConnectivityState) async -> ConnectivityState {
    for await current in stateChanges where current != state { return current }
    return self.state
  }

  /// Connects without a call; does nothing on a channel that is not idle.
  public func connect() {
    core.loop.execute { [core] in core.exitIdle() }
  }

  /// Waits until the channel is ready.
  ///
  /// - Throws: `StatusError` DEADLINE_EXCEEDED when it is not by the deadline, UNAVAILABLE when it was closed.
  public func waitUntilReady(_ deadline: Deadline = .none) async throws(StatusError) {
    connect()
    let changes = stateChanges
    let reached = await withTaskGroup(of: ConnectivityState?.self) { group in
      group.addTask {
        for await state in changes where state == .ready || state == .shutdown { return state }
        return nil
      }
      if let left = deadline.timeRemaining {
        group.addTask {
          try? await Task.sleep(for: left)
          return nil
        }
      }
      defer { group.cancelAll() }
      return await group.next() ?? nil
    }
    switch reached {
    case .ready?: return
    case .shutdown?: throw StatusError(.unavailable, "the channel to \(target) is closed").ofCall
    default: throw StatusError(.deadlineExceeded, "the channel is not ready: \(core.report.text())").ofCall
    }
  }

  /// Tries at once what waits for its backoff.
  public func resetBackoff() {
    core.loop.execute { [core] in core.resetBackoff() }
  }

  /// Closes connections and forgets the resolved addresses; the next call starts anew.
  public func enterIdle() {
    core.loop.execute { [core] in core.enterIdle() }
  }

  /// Takes no more calls from now on; those that run finish, those that wait for a connection fail with UNAVAILABLE. Returns
  /// at once.
  public func close() {
    core.refuseCalls()
    core.loop.execute { [core] in core.close() }
  }

  /// Takes no more calls from now on, waits until those that it has have ended, and closes. What runs longer than `limit` ends with
  /// UNAVAILABLE. May be called twice.
  public func drain(limit: Duration = .seconds(25)) async {
    core.refuseCalls()
    await withUnsafeContinuation { waiter in
      core.loop.execute { [core] in core.drain(limit: limit, waiter) }
    }
  }
}
