import VoleryProtobuf
import VoleryTypes
import VoleryWellKnownTypes
import VoleryXDS

/// Resources as messages.
enum Wires {
  private static let here = WireConfigSource(configSourceSpecifier: .ads(WireAggregatedConfigSource()))

  /// - Parameter filters: Before the router.
  static func listener(
    _ name: String = "orders", routes: String = "r", filters: [WireHttpFilter] = []
  ) throws -> WireListener {
    let router = Google_Protobuf_Any(
      typeURL: "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router", value: [])
    let manager = WireHttpConnectionManager(
      httpFilters: filters + [WireHttpFilter(name: "router", configType: .typedConfig(router))],
      routeSpecifier: .rds(WireRds(configSource: here, routeConfigName: routes)))
    return WireListener(
      name: name, apiListener: WireApiListener(apiListener: try Google_Protobuf_Any(packing: manager)))
  }

  /// gRFC A55.
  static func sessions(_ cookie: WireCookie?) throws -> WireStatefulSession {
    let state = try Google_Protobuf_Any(packing: WireCookieBasedSessionState(cookie: cookie))
    return WireStatefulSession(sessionState: WireTypedExtensionConfig(name: "state", typedConfig: state))
  }

  /// The same as a filter of this name.
  static func filter(_ sessions: WireStatefulSession, name: String = "sessions") throws -> WireHttpFilter {
    WireHttpFilter(name: name, configType: .typedConfig(try Google_Protobuf_Any(packing: sessions)))
  }

  static func routes(_ name: String = "r", domain: String = "*", to clusters: String...) -> WireRouteConfiguration {
    let routes = clusters.map { cluster in
      WireRoute(
        match: WireRouteMatch(pathSpecifier: .prefix("")),
        action: .route(WireRouteAction(clusterSpecifier: .cluster(cluster))))
    }
    return WireRouteConfiguration(name: name, virtualHosts: [WireVirtualHost(domains: [domain], routes: routes)])
  }

  static func cluster(_ name: String) -> WireCluster {
    var wire = WireCluster()
    wire.name = name
    wire.clusterDiscoveryType = .type(.eds)
    wire.edsClusterConfig = WireCluster.EdsClusterConfig(edsConfig: here)
    return wire
  }

  static func endpoint(host: String = "127.0.0.1", _ port: Int) -> WireLbEndpoint {
    let address = WireSocketAddress(address: host, portSpecifier: .portValue(UInt32(port)))
    return WireLbEndpoint(
      hostIdentifier: .endpoint(WireEndpoint(address: WireAddress(address: .socketAddress(address)))))
  }

  static func locality(_ zone: String, _ endpoints: [WireLbEndpoint], priority: UInt32 = 0) -> WireLocalityLbEndpoints {
    WireLocalityLbEndpoints(
      locality: WireLocality(region: "r", zone: zone), lbEndpoints: endpoints,
      loadBalancingWeight: Google_Protobuf_UInt32Value(value: 1), priority: priority)
  }

  static func endpoints(_ name: String, _ localities: [WireLocalityLbEndpoints]) -> WireClusterLoadAssignment {
    WireClusterLoadAssignment(clusterName: name, endpoints: localities)
  }

  static func endpoints(_ name: String, ports: Int...) -> WireClusterLoadAssignment {
    endpoints(name, [locality("z", ports.map { endpoint($0) })])
  }
}
