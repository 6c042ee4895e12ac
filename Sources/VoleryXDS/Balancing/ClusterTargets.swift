package import VoleryTypes

/// A cluster's endpoints in the groups that calls are spread over: by priority (gRFC A56), within it by locality (gRFC A28), each
/// with the cluster's own policy.
package struct ClusterTargets: Equatable {
  package struct Target: Equatable {
    /// Stays the same while the group exists.
    package let name: String
    /// 0 is used first; those of an aggregate's clusters follow one another.
    package let priority: Int
    package let weight: UInt32
    /// As `childPolicy` of a service config.
    package let policy: JSONValue
    package let endpoints: [Endpoint]
  }

  package private(set) var targets: [Target] = []

  package init(_ parts: [XDSConfiguration.Part]) {
    var base = 0
    for part in parts {
      let policy = ClusterTargets.wrap(part.cluster.policy, part.cluster.outlierDetection)
      let byPriority = Dictionary(grouping: part.endpoints.localities, by: \.priority)
      for (priority, localities) in byPriority.sorted(by: { $0.key < $1.key }) {
        if part.cluster.spansLocalities {
          let endpoints = localities.flatMap { locality in
            locality.endpoints.map { $0.placed(in: part.name, weight: locality.weight) }
          }
          targets.append(
            Target(
              name: "\(part.name) \(priority)", priority: base + priority, weight: 1, policy: policy,
              endpoints: endpoints))
          continue
        }
        for locality in localities {
          targets.append(
            Target(
              name: "\(part.name) \(priority) \(locality.name)", priority: base + priority, weight: locality.weight,
              policy: policy, endpoints: locality.endpoints.map { $0.placed(in: part.name, weight: 1) }))
        }
      }
      base += byPriority.count
    }
  }

  private static func wrap(_ child: JSONValue, _ outlierDetection: JSONValue?) -> JSONValue {
    guard case .object(var members)? = outlierDetection else { return .array([child]) }
    members["childPolicy"] = .array([child])
    return .array([.object(["outlier_detection": .object(members)])])
  }
}

extension Endpoint {
  fileprivate func placed(in cluster: String, weight: UInt32) -> Endpoint {
    var endpoint = self
    endpoint.attributes.cluster = cluster
    let product = (attributes.weight ?? 1).multipliedReportingOverflow(by: weight)
    endpoint.attributes.weight = product.overflow ? .max : product.partialValue
    return endpoint
  }
}
