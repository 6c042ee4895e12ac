import VoleryNameResolution
import VoleryTypes

/// The resolver of one channel: walks from its listener to the endpoints whenever something has changed, and publishes what is
/// whole. What was published last holds while something is waited for.
final class XDSResolver: Resolver {
  private let client: XDSClient
  private let listener: String
  private let target: Target
  private let hosts: HostLookups
  private let signals: AsyncStream<Void>
  private let signal: AsyncStream<Void>.Continuation

  /// - Parameter resolvers: By which names of LOGICAL_DNS clusters are looked up.
  init(_ client: XDSClient, target: Target, listener: String, resolvers: ResolverRegistry) {
    self.client = client
    self.listener = listener
    self.target = target
    (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    hosts = HostLookups(resolvers, signal: signal)
  }

  /// The control plane tells of changes by itself; names have to be looked up.
  func resolveNow(_ cause: ResolveCause) { hosts.resolveNow(cause) }

  func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
    let id = client.watch(signal, for: "\(target)")
    defer {
      client.unwatch(id)
      hosts.want([])
    }
    var last: DependencyWalk.Outcome?
    var selector: RouteSelector?
    let channelHash = UInt64.random(in: .min ... .max)
    signal.yield()
    for await _ in signals {
      // Looked at again as long as that makes more be asked for: what others have asked for is there already.
      var keys: Set<ResourceKey> = []
      var outcome = DependencyWalk.Outcome.waiting
      while true {
        var walk = DependencyWalk({ [client] in client.view($0) }, host: { [hosts] in hosts.view($0) })
        outcome = walk.run(listener: listener, authority: target.endpoint)
        hosts.want(walk.hosts)
        guard walk.keys != keys else { break }
        keys = walk.keys
        client.want(keys, by: id)
      }
      guard outcome != .waiting, outcome != last else { continue }
      switch outcome {
      case .waiting: continue
      case .failed(let error):
        selector = nil
        _ = publish(last == nil ? .failed(error) : .resolved(absence(error)))
      case .ready(var configuration):
        protect(&configuration)
        if case .ready(let old)? = last, let kept = selector, old.isRouted(like: configuration) {
          selector = kept
        } else {
          selector = RouteSelector(
            configuration, channelHash: channelHash, activeFaults: client.accounts.faults
          ) { .random(in: .min ... .max) }
        }
        _ = publish(.resolved(resolution(configuration, selector)))
      }
      last = outcome
    }
  }

  /// What was there is not there any more (gRFC A53, A57): calls fail with it, those that run go on.
  private func absence(_ error: StatusError) -> Resolution {
    var resolution = Resolution(endpoints: [], serviceConfigJSON: XDSResolver.serviceConfig, note: error.message)
    resolution.attributes.configSelector = FailingSelector(error)
    resolution.attributes.clusterSet = ClusterSet([:], accounts: client.accounts)
    return resolution
  }

  private static let serviceConfig = "{\"loadBalancingConfig\":[{\"\(ClusterManagerPolicy.name)\":{}}]}"

  private func protect(_ configuration: inout XDSConfiguration) {
    for name in Array(configuration.clusters.keys) {
      for index in configuration.clusters[name]!.parts.indices {
        let part = configuration.clusters[name]!.parts[index]
        let key = ClusterKey(cluster: part.name, service: part.cluster.serviceName)
        configuration.clusters[name]!.parts[index].credentials = client.accounts.credentials(
          of: key, part.cluster.security)
      }
    }
  }

  private func resolution(_ configuration: XDSConfiguration, _ selector: RouteSelector?) -> Resolution {
    var endpoints: [Endpoint] = []
    var seen: Set<[SocketAddress]> = []
    let parts = configuration.clusters.values.flatMap(\.parts)
    for locality in parts.flatMap(\.endpoints.localities) {
      // One resource has each address once.
      endpoints +=
        parts.count == 1 ? locality.endpoints : locality.endpoints.filter { seen.insert($0.addresses).inserted }
    }
    var resolution = Resolution(
      endpoints: endpoints,
      serviceConfigJSON: XDSResolver.serviceConfig,
      note: "xds: the listener \(XDSResourceError.quote(listener)) of \(client.bootstrap.serverURI)")
    resolution.attributes.configSelector = selector
    resolution.attributes.clusterSet = ClusterSet(configuration.clusters, accounts: client.accounts)
    return resolution
  }
}

extension XDSConfiguration {
  /// Whether calls are made alike, whatever the clusters are.
  fileprivate func isRouted(like other: XDSConfiguration) -> Bool {
    routes == other.routes && maxStreamDuration == other.maxStreamDuration && faults == other.faults
      && sessions == other.sessions
  }
}

/// Fails every call.
private final class FailingSelector: ConfigSelector {
  private let error: StatusError

  init(_ error: StatusError) { self.error = error }

  func configuration(of call: ConfigSelectorRequest) throws(StatusError) -> CallConfiguration { throw error }
}
