public import ServiceLifecycle
public import VoleryClient

extension Channel {
  /// The channel as a service of swift-service-lifecycle: in a ServiceGroup it waits for its turn to stop, then takes no more
  /// calls, lets those that it has end, and closes. List it before the servers whose handlers call through it: a group stops
  /// its services from the last to the first.
  ///
  ///     let group = ServiceGroup(
  ///       services: [inventory.service(), server.service(listeningOn: .tcp("0.0.0.0", 50051))],
  ///       gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
  ///
  /// - Parameter drainLimit: What runs longer ends with UNAVAILABLE. 25 seconds.
  public func service(drainLimit: Duration = .seconds(25)) -> ChannelService {
    ChannelService(channel: self, drainLimit: drainLimit)
  }
}

/// A channel in a ServiceGroup: what `Channel.service` makes.
public struct ChannelService: ServiceLifecycle.Service, CustomStringConvertible {
  let channel: Channel
  let drainLimit: Duration

  /// How the group names it in its log.
  public var description: String { "volery channel \(channel.target)" }

  /// Returns when the channel is closed: gracefully once the group stops it; at once, whatever calls there are, where the
  /// group's task is cancelled, before or meanwhile, as it is when `maximumGracefulShutdownDuration` has passed.
  public func run() async {
    await withTaskCancellationHandler {
      // Cancelled: there is nothing to wait for.
      if (try? await gracefulShutdown()) != nil { await channel.drain(limit: drainLimit) }
    } onCancel: {
      channel.close()
    }
  }
}
