package import VoleryTypes

/// How a server is, as the control plane says; those that are in another state are not there for us. The values are
/// envoy.config.core.v3.HealthStatus'.
package enum EndpointHealth: UInt32, Hashable, Sendable {
  case unknown = 0
  case healthy = 1
  /// It gets no calls but those of its sessions (gRFC A55).
  case draining = 3

  /// Servers that keep their sessions where a cluster does not say which.
  static let keepsSessions: Set<EndpointHealth> = [.unknown, .healthy]
}

extension Attributes {
  private enum Health: AttributeKey { typealias Value = EndpointHealth }

  /// Of an endpoint.
  package var health: EndpointHealth {
    get { self[Health.self] ?? .unknown }
    set { self[Health.self] = newValue == .unknown ? nil : newValue }
  }
}
