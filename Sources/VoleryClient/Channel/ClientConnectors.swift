package import VoleryTransport
import VoleryTypes

/// What opens a channel's connections: one connector for all, but for endpoints of clusters that have credentials of their own,
/// and for endpoints that bring some.
package struct ClientConnectors: Sendable {
  private let standard: any ClientConnector
  private let byCluster: [String: any ClientConnector]
  private let byEndpoint: EndpointConnectors?

  /// - Parameter byEndpoint: Nil: what endpoints bring (`Attributes.endpointCredentials`) is passed over.
  package init(
    _ standard: any ClientConnector, byCluster: [String: any ClientConnector] = [:],
    byEndpoint: EndpointConnectors? = nil
  ) {
    self.standard = standard
    self.byCluster = byCluster
    self.byEndpoint = byEndpoint
  }

  /// By the endpoint's cluster, where there is one for it; by what it brings, where the channel wants that.
  func connector(for attributes: Attributes) -> any ClientConnector {
    if let cluster = attributes.cluster, let own = byCluster[cluster] { return own }
    guard let byEndpoint, let brought = attributes.endpointCredentials else { return standard }
    return byEndpoint.connector(for: brought) ?? standard
  }
}
