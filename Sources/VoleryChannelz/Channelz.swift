public import VoleryObservation
public import VoleryServer
import VoleryTypes

/// `grpc.channelz.v1.Channelz`: says what a program has of channels, subchannels, servers and connections, with what has happened to
/// them and how many calls they had (gRFC A14). One object is the observer that looks and the service that answers:
///
///     let channelz = Channelz()
///     channelOptions.observers = [channelz]
///     serverOptions.observers = [channelz]
///     let server = Server(services: [Greeter(), channelz], options: serverOptions)
///
/// One for all channels and servers of a process; it shows those that have it among their observers. Whoever can call the service sees
/// addresses, certificates and the texts of errors, so it belongs on a port that not everybody reaches; of messages and metadata
/// it shows nothing. What it keeps is bounded by `ChannelzOptions`. Any thread.
public final class Channelz: Observer, Service {
  private let registry: Registry

  /// Knows nothing yet.
  public init(options: ChannelzOptions = ChannelzOptions()) { registry = Registry(options) }

  /// The service's methods.
  public var handlers: [MethodHandler] { ChannelzAnswers(registry).handlers }

  /// How much it keeps now.
  package var kept: KeptCount { registry.kept }

  // MARK: Observer

  /// Called by the channel that it observes.
  public func callStarted(_ call: ObservedCall) -> (any CallObserver)? {
    guard let channel = registry.channel(call.channel.id) else { return nil }
    channel.callStarted(at: .now)
    return channel
  }

  /// Called by the server that it observes.
  public func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? {
    if let socket = registry.serverConnections[call.peer] {
      socket.streamStarted(at: .now)
      return socket
    }
    let server = registry.server(call.server.id)
    server?.callStarted(at: .now)
    return server
  }

  /// Called by the channel or server that it observes.
  public func opened(_ connection: ConnectionGauge) { registry.socket(connection.id)?.opened(connection) }

  /// Called by the channel that it observes.
  public func happened(_ event: ChannelEvent, to channel: ObservedChannel) {
    let now = WallClockTime.now
    if case .created = event {
      return registry.add(
        ChannelRecord(
          channel, registry.clientConnections, maxTraceEvents: registry.options.maxTraceEvents, at: now))
    }
    guard let record = registry.channel(channel.id) else { return }
    registry.happened(event, to: record, at: now)
    if record.isGone { registry.remove(record) }
  }

  /// Called by the server that it observes.
  public func happened(_ event: ServerEvent, to server: ObservedServer) {
    registry.happened(event, to: server, at: .now)
  }
}
