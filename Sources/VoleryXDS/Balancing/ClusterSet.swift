import VoleryTypes

/// What the policies are told of the clusters, on its way from the resolver.
final class ClusterSet: Hashable, Sendable {
  struct Entry: Sendable {
    let configuration: XDSConfiguration.Cluster
    let counter: CallCounter
  }

  let entries: [String: Entry]

  init(_ entries: [String: Entry]) { self.entries = entries }

  static func == (left: ClusterSet, right: ClusterSet) -> Bool { left === right }
  func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

extension Attributes {
  private enum Clusters: AttributeKey { typealias Value = ClusterSet }

  var clusterSet: ClusterSet? {
    get { self[Clusters.self] }
    set { self[Clusters.self] = newValue }
  }
}
