import VoleryNameResolution
import VoleryTypes

/// The resolver of one channel: walks from its listener to the endpoints whenever something has changed, and publishes what is
/// whole. What was published last holds while something is waited for.
final class XDSResolver: Resolver {
  private let client: XDSClient
  private let listener: String
  private let authority: String

  init(_ client: XDSClient, listener: String, authority: String) {
    self.client = client
    self.listener = listener
    self.authority = authority
  }

  /// The control plane tells of changes by itself.
  func resolveNow(_ cause: ResolveCause) {}

  func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
    let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let id = client.watch(signal)
    defer { client.unwatch(id) }
    var last: DependencyWalk.Outcome?
    var selector: RouteSelector?
    let channelHash = UInt64.random(in: .min ... .max)
    signal.yield()
    for await _ in signals {
      // Looked at again as long as that makes more be asked for: what others have asked for is there already.
      var keys: Set<ResourceKey> = []
      var outcome = DependencyWalk.Outcome.waiting
      while true {
        var walk = DependencyWalk { [client] in client.view($0) }
        outcome = walk.run(listener: listener, authority: authority)
        guard walk.keys != keys else { break }
        keys = walk.keys
        client.want(keys, by: id)
      }
      guard outcome != .waiting, outcome != last else { continue }
      switch outcome {
      case .waiting: continue
      case .failed(let error):
        selector = nil
        _ = publish(failure(error))
      case .ready(let configuration):
        if case .ready(let old)? = last, let kept = selector, old.isRouted(like: configuration) {
          selector = kept
        } else {
          selector = RouteSelector(configuration, channelHash: channelHash) { .random(in: .min ... .max) }
        }
        _ = publish(.resolved(resolution(configuration, selector)))
      }
      last = outcome
    }
  }

  /// Calls fail with it, those that run go on: the control plane has said that there is nothing (gRFC A57).
  private func failure(_ error: StatusError) -> ResolverUpdate { .failed(error) }

  private func resolution(_ configuration: XDSConfiguration, _ selector: RouteSelector?) -> Resolution {
    var endpoints: [Endpoint] = []
    var seen: Set<[SocketAddress]> = []
    for cluster in configuration.clusters.values {
      for part in cluster.parts {
        for locality in part.endpoints.localities {
          endpoints += locality.endpoints.filter { seen.insert($0.addresses).inserted }
        }
      }
    }
    var resolution = Resolution(
      endpoints: endpoints,
      serviceConfigJSON: "{\"loadBalancingConfig\":[{\"\(ClusterManagerPolicy.name)\":{}}]}",
      note: "xds: the listener \(XDSResourceError.quote(listener)) of \(client.bootstrap.serverURI)")
    resolution.attributes.configSelector = selector
    resolution.attributes.clusterSet = ClusterSet(
      configuration.clusters.mapValues { cluster in
        ClusterSet.Entry(configuration: cluster, counter: client.counter(of: cluster.name))
      })
    return resolution
  }
}

extension XDSConfiguration {
  /// Whether calls are made alike, whatever the clusters are.
  fileprivate func isRouted(like other: XDSConfiguration) -> Bool {
    routes == other.routes && maxStreamDuration == other.maxStreamDuration
  }
}
