public import Logging
import Synchronization
public import VoleryClient
import VoleryLoadBalancing
public import VoleryNameResolution
public import VoleryObservation
import VoleryTypes

/// Resolves `xds:` targets by a control plane: all channels whose options have the same factory share one stream to it.
public final class XDSResolverFactory: ResolverFactory {
  /// `xds`.
  public var scheme: String { "xds" }
  private let bootstrap: XDSBootstrap?
  private let client = Mutex<XDSClient?>(nil)
  private let credentials: ChannelCredentials?
  private let logger: Logger
  private let resolvers: ResolverRegistry
  private let observers: [any Observer]

  /// - Parameters:
  ///   - bootstrap: Where the control plane is; nil, the default: as the environment says, read when the first channel is made
  ///     (`XDSBootstrap.fromEnvironment`).
  ///   - credentials: For the control plane; nil, the default: as the bootstrap says.
  ///   - resolvers: By which the names of LOGICAL_DNS clusters (gRFC A37) are looked up, as `dns:` targets; `standard` by default.
  ///   - observers: Hear of the control planes (`ControlPlaneEvent`): a `MetricsObserver`, say; at most 16. The channels have their own.
  ///   - logger: Hears what the control plane sends and is refused.
  public init(
    bootstrap: XDSBootstrap? = nil, credentials: ChannelCredentials? = nil, resolvers: ResolverRegistry = .standard,
    observers: [any Observer] = [], logger: Logger = Logger(label: "volery.xds")
  ) {
    self.resolvers = resolvers
    self.observers = observers
    self.bootstrap = bootstrap
    self.credentials = credentials
    self.logger = logger
  }

  /// The one of the process, by its environment.
  public static let shared = XDSResolverFactory()

  /// The node, and what is known of each resource; nil: nothing was ever asked for.
  var status: ClientStatus? {
    client.withLock { $0 }.map { ClientStatus(node: $0.bootstrap.node, resources: $0.dump) }
  }

  /// - Throws: `XDSBootstrapError`, when there is no usable bootstrap.
  public func makeResolver(for target: Target) throws -> any Resolver {
    let client = try client.withLock { client throws(XDSBootstrapError) in
      if let client { return client }
      let known: XDSBootstrap
      if let bootstrap { known = bootstrap } else { known = try XDSBootstrap.fromEnvironment() }
      let made = XDSClient(
        known, credentials: credentials, observer: ObserverList.observer(of: observers), logger: logger)
      client = made
      return made
    }
    return XDSResolver(
      client, target: target, listener: try client.bootstrap.listenerName(for: target), resolvers: resolvers)
  }
}

/// Makes the policy that has a child for each cluster.
struct ClusterManagerFactory: LoadBalancingPolicyFactory {
  let name = ClusterManagerPolicy.name

  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
    ClusterManagerPolicy(context: context)
  }
}

extension ChannelOptions {
  /// Makes `xds:///orders` a target that channels with these options know.
  ///
  /// - Parameter factory: Shared by all channels that are to share a stream to the control plane; the process's by default.
  public mutating func useXDS(_ factory: XDSResolverFactory = .shared) {
    resolvers.register(factory)
    loadBalancingPolicies.register(ClusterManagerFactory())
    loadBalancingPolicies.register(ClusterImplFactory())
    loadBalancingPolicies.register(OverrideHostFactory())
  }
}
