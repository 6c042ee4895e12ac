import VoleryEventLoops
import VoleryHTTP2Transport
public import VoleryNameResolution
import VoleryTransport
public import VoleryTypes

/// A virtual connection to all the servers behind a target. Make one for each target and share it; it is idle until the
/// first call, and closes its connections when the last reference to it is gone.
///
///     let channel = try Channel("dns:///orders:50051")
///     let reply = try await OrdersClient(channel).get(request)
public final class Channel: Sendable {
  let core: ChannelCore

  /// - Parameter target: For example `dns:///orders:50051` or just `orders:50051`; `Target` lists the forms.
  /// - Throws: `TargetError` when the target can't be read, its scheme is unknown, or can't ever be resolved.
  public init(_ target: String, options: ChannelOptions = ChannelOptions()) throws(TargetError) {
    let parsed = try Target(parsing: target, knownSchemes: options.resolvers.schemes)
    var connection = ClientConnectionOptions()
    connection.keepaliveTime = options.keepaliveTime
    connection.keepaliveTimeout = options.keepaliveTimeout
    core = try ChannelCore(
      target: parsed, options: options, connector: HTTP2Connector(options: connection),
      loop: EventLoopGroup.shared.next())
  }

  deinit {
    let core = core
    core.loop.execute { core.close() }
  }

  /// The target as it was understood.
  public var target: Target { core.target }

  /// The state of the channel now (doc/connectivity-semantics-and-api.md).
  public var state: ConnectivityState { core.connectivity.current }

  /// The state now, then every change.
  public var stateChanges: AsyncStream<ConnectivityState> { core.connectivity.changes() }

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
    case .shutdown?: throw StatusError(.unavailable, "the channel is closed")
    default: throw StatusError(.deadlineExceeded, "the channel is not ready: \(core.situation)")
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

  /// Takes no more calls; those that run finish.
  public func close() {
    core.loop.execute { [core] in core.close() }
  }
}
