import VoleryClient
import VoleryLoadBalancing
package import VoleryTypes

/// What is below a cluster, as the configuration of policies that a service config names as well (gRFC A37, A50, A56):
///
///     priority_experimental              one child for each priority of each cluster, an aggregate's in their order
///     └─ outlier_detection               where the cluster wants it: over all localities of the priority
///        └─ xds_cluster_impl_experimental      drops, circuit breaker, load reports
///           └─ xds_override_host_experimental  where the listener keeps sessions (gRFC A55)
///              └─ weighted_target_experimental by locality
///                 └─ the cluster's policy
///
/// A policy that sees all localities at once (ring_hash) stands in the place of weighted_target.
package struct ClusterTree: Equatable {
  /// Of `priority_experimental`.
  package let configuration: JSONValue
  /// Each with its way down the tree (`Attributes.childPath`).
  package let endpoints: [Endpoint]
  /// Whether there is no priority at all.
  package let isEmpty: Bool

  /// - Parameter names: Of the priorities that there were, by cluster; becomes that of those that there are.
  package init(_ parts: [XDSConfiguration.Part], names: inout [String: PriorityNames]) {
    var children: [String: JSONValue] = [:]
    var priorities: [JSONValue] = []
    var endpoints: [Endpoint] = []
    var kept: [String: PriorityNames] = [:]
    for part in parts {
      let groups = Dictionary(grouping: part.endpoints.localities, by: \.priority).sorted { $0.key < $1.key }
        .map(\.value)
      var own = names[part.name] ?? PriorityNames()
      let numbers = own.numbers(for: groups.map { $0.map(\.name) })
      kept[part.name] = own
      for (number, localities) in zip(numbers, groups) {
        let name = "\(part.name) \(number)"
        priorities.append(.string(name))
        children[name] = .object([
          "config": .array([part.policy(over: localities)]),
          // Discovery tells of changes by itself; a host's name has to be looked up again.
          "ignoreReresolutionRequests": .bool(part.cluster.host == nil),
        ])
        for locality in localities { endpoints += part.placed(locality, in: name) }
      }
    }
    names = kept
    configuration = .object(["children": .object(children), "priorities": .array(priorities)])
    self.endpoints = endpoints
    isEmpty = priorities.isEmpty
  }
}

extension XDSConfiguration.Part {
  fileprivate func policy(over localities: [EndpointsResource.Locality]) -> JSONValue {
    var child = cluster.policy
    if cluster.localities == .byWeight {
      let targets = localities.map { locality in
        (locality.name, JSONValue.object(["weight": .number("\(locality.weight)"), "childPolicy": .array([child])]))
      }
      child = .object([
        "weighted_target_experimental": .object(["targets": .object(Dictionary(targets) { first, _ in first })])
      ])
    }
    if keepsSessions { child = OverrideHostFactory.json(cluster.keepsSessions, over: child) }
    child = ClusterImplConfiguration(self).json(over: child)
    if case .object(var members)? = cluster.outlierDetection {
      members["childPolicy"] = .array([child])
      child = .object(["outlier_detection": .object(members)])
    }
    return child
  }

  /// A locality's endpoints as the policies want them.
  fileprivate func placed(_ locality: EndpointsResource.Locality, in priority: String) -> [Endpoint] {
    let path = cluster.localities == .byWeight ? [priority, locality.name] : [priority]
    // Those of one locality differ by their weights at most.
    var before: Attributes?
    var placed = Attributes()
    return (keepsSessions ? locality.endpoints + locality.draining : locality.endpoints).map { endpoint in
      if before?.isIdentical(to: endpoint.attributes) != true {
        before = endpoint.attributes
        placed = endpoint.attributes
        placed.cluster = name
        placed.childPath = path
        placed.locality = locality.place
        placed.endpointCredentials = credentials
        if cluster.localities == .multiplied {
          let product = (placed.weight ?? 1).multipliedReportingOverflow(by: locality.weight)
          placed.weight = product.overflow ? .max : product.partialValue
        }
      }
      return Endpoint(endpoint.addresses, attributes: placed)
    }
  }
}
