public import CoreMetrics
import Synchronization
public import VoleryObservation
import VoleryTypes

/// Makes metrics of what channels and servers do, with the names, units and labels of gRPC's own (gRFC A66, A96, A94, A91, A78), for
/// whatever backend the program's swift-metrics has.
///
///     MetricsSystem.bootstrap(backend)
///     let metrics = MetricsObserver()
///     channelOptions.observers = [metrics]
///     serverOptions.observers = [metrics]
///
/// One for all channels and servers of a process. What there is, is in `MetricDescription.all` and in Docs/Metrics.md.
///
/// The backend is called where things happen, on event loops as a rule: it must not block there.
public final class MetricsObserver: Observer {
  private struct ChannelRecord {
    let metrics: ChannelMetrics
    /// Who hears of the calls of each method.
    let calls: MethodTable<ChannelCallMetrics>
  }

  private let server: ServerMetrics
  private let targets: BoundedTable<String, TargetMetrics>
  private let options: MetricsOptions
  private let channels = Mutex<[Int: ChannelRecord]>([:])
  private let drainingServers = Mutex<Set<Int>>([])

  /// - Parameter factory: The backend; the one that is set up by `MetricsSystem.bootstrap` now, by default.
  public init(factory: any MetricsFactory = MetricsSystem.factory, options: MetricsOptions = MetricsOptions()) {
    let instruments = Instruments(factory: factory, options: options)
    self.options = options
    server = ServerMetrics(instruments)
    targets = BoundedTable(limit: options.maxTargets) { TargetMetrics($0 ?? Instruments.other, instruments) }
  }

  // MARK: Observer

  /// Called by the channel or server that it observes; nil: nothing is to be told of this call.
  public func callStarted(_ call: ObservedCall) -> (any CallObserver)? {
    record(of: call.channel).calls[call.method].of(call.label)
  }

  /// Called by the channel or server that it observes; nil: nothing is to be told of this call.
  public func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? { server.callStarted(call) }

  /// Called by the channel or server that it observes.
  public func happened(_ event: ChannelEvent, to channel: ObservedChannel) {
    let record = record(of: channel, isNew: event.isFirst)
    record.metrics.happened(event)
    if record.metrics.isOver { channels.withLock { $0[channel.id] = nil } }
  }

  /// Called by the resolver that it observes (`XDSResolverFactory`).
  public func happened(_ event: ControlPlaneEvent, of target: String) {
    targets[options.targetLabel(target)].happened(event)
  }

  /// Called by the channel or server that it observes.
  public func happened(_ event: ServerEvent, to server: ObservedServer) {
    let wasDraining = drainingServers.withLock { draining in
      switch event {
      case .draining: !draining.insert(server.id).inserted
      case .stopped: draining.remove(server.id) != nil
      default: false
      }
    }
    self.server.happened(event, wasDraining: wasDraining)
  }

  // MARK: Channels

  private func record(of channel: ObservedChannel, isNew: Bool = false) -> ChannelRecord {
    if let found = channels.withLock({ $0[channel.id] }) { return found }
    let target = targets[options.targetLabel(channel.target)]
    let metrics = ChannelMetrics(channel, target)
    let made = ChannelRecord(
      metrics: metrics,
      calls: MethodTable(limit: options.maxMethods) { [options] in
        ChannelCallMetrics(target.methods[$0], metrics, options)
      })
    // What comes after the channel's end (the last calls, the last connections) does not bring it back.
    if isNew { channels.withLock { $0[channel.id] = made } }
    return made
  }
}

extension ChannelEvent {
  fileprivate var isFirst: Bool {
    if case .created = self { true } else { false }
  }
}
