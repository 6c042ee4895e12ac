public import ServiceLifecycle
import Synchronization
public import VoleryServer

extension Server {
  /// The server as a service of swift-service-lifecycle: in a ServiceGroup it serves until its turn to stop comes, then drains
  /// as `run` does, and only then the services before it are stopped.
  ///
  ///     let server = Server(services: [Greeter(database)])
  ///     let group = ServiceGroup(
  ///       services: [database, server.service(listeningOn: .tcp("0.0.0.0", 50051))],
  ///       gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
  ///     try await group.run()
  ///
  /// The group has the signals: `ServerOptions.handlesSignals` counts for nothing here.
  ///
  /// - Parameter credentials: Of these listeners; nil: the server's.
  public func service(
    listeningOn addresses: ListenAddress..., credentials: ServerCredentials? = nil
  ) -> ServerService {
    ServerService(server: self, addresses: addresses, credentials: credentials)
  }
}

/// A server in a ServiceGroup: what `Server.service` makes.
public struct ServerService: ServiceLifecycle.Service, CustomStringConvertible {
  let server: Server
  let addresses: [ListenAddress]
  let credentials: ServerCredentials?

  /// How the group names it in its log.
  public var description: String { "volery server" }

  /// Serves until the group stops it, gracefully or by cancellation, or the server is drained or shut down. Either way the
  /// running calls have `ServerOptions.drainLimit` to end; where a graceful stop is cancelled (the group's
  /// `maximumGracefulShutdownDuration` has passed), they are cut off at once with UNAVAILABLE.
  ///
  /// - Throws: As `Server.run`.
  public func run() async throws {
    try server.start(listeningOn: addresses, credentials: credentials)
    let stop = Stop()
    await withTaskCancellationHandler {
      await withGracefulShutdownHandler {
        await server.waitAndDrain()
      } onGracefulShutdown: {
        stop.isGraceful.store(true, ordering: .relaxed)
        server.stopRunning()
      }
    } onCancel: {
      guard stop.isGraceful.load(ordering: .relaxed) else { return }
      server.cutOff("the server is stopping: the call did not end within its time to drain")
    }
  }

  private final class Stop: Sendable {
    let isGraceful = Atomic<Bool>(false)
  }
}
