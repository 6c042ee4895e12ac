package import VoleryClient
package import VoleryTypes

/// What a channel goes by: its routes and the clusters behind them.
package struct XDSConfiguration: Equatable, Sendable {
  package let routes: [RouteTable.Route]
  package let maxStreamDuration: Duration?
  /// The listener's, in their order.
  package let faults: [FaultFilter]
  /// The same.
  package let sessions: [SessionFilter]
  package var clusters: [String: Cluster]

  package struct Cluster: Equatable, Sendable {
    package var name: String
    /// With their endpoints, the first to be used first; one of its own for a cluster that is no aggregate.
    package var parts: [Part]
    /// Why calls to it fail; nil: they don't.
    package var failure: StatusError?
  }

  package struct Part: Equatable, Sendable {
    package let name: String
    package let cluster: ClusterResource
    package let endpoints: EndpointsResource
    /// How connections are protected where the channel leaves that to the control plane (gRFC A29).
    package var credentials: EndpointCredentials?
    /// Whether calls may have a session, which the policies have to know of.
    package var keepsSessions = false

    package init(name: String, cluster: ClusterResource, endpoints: EndpointsResource) {
      self.name = name
      self.cluster = cluster
      self.endpoints = endpoints
    }
  }
}

/// From a listener to the last endpoint: what has to be asked for, and what comes of it as soon as all of it is there.
package struct DependencyWalk {
  package enum Outcome: Equatable {
    case waiting
    /// Calls of the whole channel fail.
    case failed(StatusError)
    case ready(XDSConfiguration)
  }

  /// What was looked at, and has to go on being asked for.
  package private(set) var keys: Set<ResourceKey> = []
  /// The same of hosts, each as `host:port`.
  package private(set) var hosts: Set<String> = []
  private let view: (ResourceKey) -> ResourceView
  private let host: (String) -> HostView
  private var isWaiting = false

  /// gRFC A37.
  private static let maxDepth = 16
  /// Of one channel.
  private static let maxClusters = 1000

  package init(
    _ view: @escaping (ResourceKey) -> ResourceView, host: @escaping (String) -> HostView = { _ in .waiting }
  ) {
    self.view = view
    self.host = host
  }

  /// - Parameter authority: What the virtual host is chosen by.
  package mutating func run(listener: String, authority: String) -> Outcome {
    switch look(ResourceKey(.listener, listener)) {
    case .waiting: return .waiting
    case .failed(let error): return .failed(error)
    case .known(.listener(let listener)):
      switch listener.routes {
      case .inline(let table): return clusters(of: table, listener, authority)
      case .named(let name):
        switch look(ResourceKey(.routes, name)) {
        case .waiting: return .waiting
        case .failed(let error): return .failed(error)
        case .known(.routes(let table)): return clusters(of: table, listener, authority)
        case .known: return .waiting
        }
      }
    case .known: return .waiting
    }
  }

  private mutating func clusters(
    of table: RouteTable, _ listener: ListenerResource, _ authority: String
  ) -> Outcome {
    guard let host = Domain.find(authority, in: table.virtualHosts) else {
      return .failed(
        StatusError(.unavailable, "xds: no virtual host of the routes is for \(XDSResourceError.quote(authority))"))
    }
    let names = Set(host.routes.flatMap { $0.clusters.map(\.name) })
    guard names.count <= DependencyWalk.maxClusters else {
      return .failed(StatusError(.unavailable, "xds: the routes name over \(DependencyWalk.maxClusters) clusters"))
    }
    var clusters: [String: XDSConfiguration.Cluster] = [:]
    for name in names.sorted() {
      var cluster = XDSConfiguration.Cluster(name: name, parts: [], failure: nil)
      var seen: Set<String> = []
      collect(name, into: &cluster, &seen, depth: 0)
      if !listener.sessions.isEmpty {
        for index in cluster.parts.indices { cluster.parts[index].keepsSessions = true }
      }
      if !cluster.parts.isEmpty { cluster.failure = nil }
      clusters[name] = cluster
    }
    guard !isWaiting else { return .waiting }
    return .ready(
      XDSConfiguration(
        routes: host.routes, maxStreamDuration: listener.maxStreamDuration, faults: listener.faults,
        sessions: listener.sessions, clusters: clusters))
  }

  private mutating func collect(
    _ name: String, into whole: inout XDSConfiguration.Cluster, _ seen: inout Set<String>, depth: Int
  ) {
    guard depth < DependencyWalk.maxDepth else {
      whole.failure = StatusError(.unavailable, "xds: the cluster \(XDSResourceError.quote(whole.name)) nests too deep")
      return
    }
    // A cluster that is named twice counts where it is named first.
    guard seen.insert(name).inserted else { return }
    switch look(ResourceKey(.cluster, name)) {
    case .waiting: isWaiting = true
    case .failed(let error): whole.failure = error
    case .known(.cluster(let cluster)):
      switch cluster.kind {
      case .aggregate(let names):
        for name in names { collect(name, into: &whole, &seen, depth: depth + 1) }
      case .host(let host):
        hosts.insert(host)
        switch self.host(host) {
        case .waiting: isWaiting = true
        case .failed(let error): whole.failure = error
        case .known(let addresses):
          let endpoints = EndpointsResource(addresses: addresses)
          whole.parts.append(XDSConfiguration.Part(name: name, cluster: cluster, endpoints: endpoints))
        }
      case .endpoints(let resource):
        switch look(ResourceKey(.endpoints, resource)) {
        case .waiting: isWaiting = true
        case .failed(let error): whole.failure = error
        case .known(.endpoints(let endpoints)):
          whole.parts.append(XDSConfiguration.Part(name: name, cluster: cluster, endpoints: endpoints))
        case .known: isWaiting = true
        }
      }
    case .known: isWaiting = true
    }
  }

  private mutating func look(_ key: ResourceKey) -> ResourceView {
    keys.insert(key)
    return view(key)
  }
}
