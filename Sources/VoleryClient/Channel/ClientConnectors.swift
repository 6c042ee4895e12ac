package import VoleryTransport
import VoleryTypes

/// What opens a channel's connections: one connector for all, but for endpoints of clusters that have credentials of their own.
package struct ClientConnectors: Sendable {
  private let standard: any ClientConnector
  private let byCluster: [String: any ClientConnector]

  package init(_ standard: any ClientConnector, byCluster: [String: any ClientConnector] = [:]) {
    self.standard = standard
    self.byCluster = byCluster
  }

  /// By the endpoint's cluster, where there is one for it.
  func connector(for cluster: String?) -> any ClientConnector {
    guard let cluster, let own = byCluster[cluster] else { return standard }
    return own
  }
}
