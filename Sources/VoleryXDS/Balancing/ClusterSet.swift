import VoleryTypes

/// What the policies are told of the clusters, on its way from the resolver.
package final class ClusterSet: Hashable, Sendable {
  let clusters: [String: XDSConfiguration.Cluster]
  let accounts: ClusterAccounts

  package init(_ clusters: [String: XDSConfiguration.Cluster], accounts: ClusterAccounts) {
    self.clusters = clusters
    self.accounts = accounts
  }

  package static func == (left: ClusterSet, right: ClusterSet) -> Bool { left === right }
  package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

extension Attributes {
  private enum Clusters: AttributeKey { typealias Value = ClusterSet }
  private enum Locality: AttributeKey { typealias Value = XDSLocality }

  package var clusterSet: ClusterSet? {
    get { self[Clusters.self] }
    set { self[Clusters.self] = newValue }
  }

  /// Of an endpoint: where it is, as the control plane says.
  package var locality: XDSLocality? {
    get { self[Locality.self] }
    set { self[Locality.self] = newValue }
  }
}

/// A place.
package struct XDSLocality: Hashable, Sendable {
  package var region = ""
  package var zone = ""
  package var subZone = ""

  package init(region: String = "", zone: String = "", subZone: String = "") {
    self.region = region
    self.zone = zone
    self.subZone = subZone
  }
}
