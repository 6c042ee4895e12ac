public import Logging
public import VoleryClient
import VoleryDNS
public import VoleryNameResolution

/// `k8s:///orders.shop:50051`: the pods of a Kubernetes Service, told by the API server as they change, without DNS and its
/// delays; their zones, their readiness and what Kubernetes advises about zones come along.
///
///     options.resolvers.register(KubernetesResolverFactory())
///     let channel = try Channel("k8s:///orders.shop:grpc", options: options)
///
/// - The Service: `orders` (in the pod's own namespace), `orders.shop`, `orders.shop.svc`, `orders.shop.svc.cluster.local`.
/// - The port of the pods: its number; its name in the Service, which finds the number of each pod; nothing, where there is one
///   port, or one that is named `grpc` or has the appProtocol `grpc` or `kubernetes.io/h2c`. A number is the pods' port, as
///   behind the name of a headless Service, and not the Service's own where that is another.
/// - All EndpointSlices of the Service are one answer. Ready pods are used; where none is ready, those that serve while they
///   end. IPv4 and IPv6 address of a pod are one endpoint. Attributes: `zone`, `zoneHints`, `kubernetesPod`, `isTerminating`.
/// - The API server is asked with the pod's token and CA, read anew for each request, or as a kubeconfig says
///   (`KubernetesCluster`). RBAC: get, list, watch on endpointslices of discovery.k8s.io.
/// - One list, then a watch that goes on from the last version, whatever ends it. When that version is history (410), a new
///   list replaces the old one once it is whole. While the API server can't be asked, the last answer holds; where there has been
///   none, DNS is asked (`usesDNS`). Each change of that is one line of the log.
/// - All channels of the process to one Service share one watch.
/// - The `:authority` of calls, and the name that TLS checks, is what stands in the target; without the port where that is a
///   name.
public struct KubernetesResolverFactory: ResolverFactory {
  /// `k8s`.
  public let scheme = "k8s"
  /// Which API server, and as whom.
  public var cluster: KubernetesCluster
  /// Whether DNS is asked while the API server has never answered: `dns:` for a port's number, `dns+srv:` for its name. True.
  public var usesDNS = true
  /// The most that is read and kept.
  public var limits = KubernetesLimits()
  /// How long to wait before the API server is asked again after a failure. 500 ms, x1.6, at most 30 s; between half and the
  /// whole of it, at random. What the server asks for (Retry-After) counts up to the maximum.
  public var backoff: ConnectionBackoff
  /// After this, and up to half as much again, the server ends a watch, and it is begun anew. 5 minutes.
  public var watchDuration = Duration.seconds(300)
  /// For the changes that a channel does not see.
  public var logger = Logger(label: "volery.kubernetes")

  /// Instead of DNS, for tests.
  package var resolverInsteadOfDNS: (@Sendable (Target) throws -> any Resolver)?
  private var dns = DNSResolverFactory()
  private var dnsService = DNSServiceResolverFactory()

  /// A factory with the defaults.
  ///
  /// - Parameter cluster: Which API server, and as whom; by default that of the pod, or else of the kubeconfig.
  public init(cluster: KubernetesCluster = .automatic) {
    self.cluster = cluster
    var backoff = ConnectionBackoff()
    backoff.initial = .milliseconds(500)
    backoff.maximum = .seconds(30)
    self.backoff = backoff
  }

  /// A resolver of the Service, which shares its watch with all channels of the process that want the same.
  ///
  /// - Throws: `TargetError` for a query, an authority, and what is no name of a Service or a port.
  public func makeResolver(for target: Target) throws -> any Resolver {
    let address = try ServiceAddress(target)
    let settings = SliceFollower.Settings(
      cluster: cluster, service: address.service, namespace: address.namespace, limits: limits, backoff: backoff,
      watchDuration: watchDuration)
    let find: @Sendable (Target) throws -> any Resolver = { [dns, dnsService] target in
      target.scheme == dns.scheme ? try dns.makeResolver(for: target) : try dnsService.makeResolver(for: target)
    }
    return KubernetesResolver(
      address, slices: SharedSlices.of(settings), dns: usesDNS ? resolverInsteadOfDNS ?? find : nil, logger: logger)
  }

  /// As it stands in the target, without a port that is a name.
  public func defaultAuthority(for target: Target) -> String {
    (try? ServiceAddress(target))?.authority ?? target.endpoint
  }

  /// The same with the refresh of DNS that the channel's options ask for.
  public func adopting(_ settings: ResolverSettings) -> any ResolverFactory {
    var adopted = self
    if let dns = dns.adopting(settings) as? DNSResolverFactory { adopted.dns = dns }
    if let service = dnsService.adopting(settings) as? DNSServiceResolverFactory { adopted.dnsService = service }
    return adopted
  }
}
