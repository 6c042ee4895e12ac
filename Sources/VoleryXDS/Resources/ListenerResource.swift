import VoleryProtobuf
import VoleryWellKnownTypes

/// What a client reads of a listener: where its routes are.
package struct ListenerResource: Equatable, Sendable {
  package enum Routes: Equatable, Sendable {
    case named(String)
    case inline(RouteTable)
  }

  package let routes: Routes
  /// The longest that a call may take where its route does not say (gRFC A31); nil: no limit.
  package let maxStreamDuration: Duration?
  /// Filters that make things go wrong (gRFC A33), in their order.
  package let faults: [FaultFilter]
  /// Filters that keep sessions (gRFC A55), in their order.
  package let sessions: [SessionFilter]

  static let routerType = "envoy.extensions.filters.http.router.v3.Router"

  init(_ wire: WireListener) throws(XDSResourceError) {
    guard let packed = wire.apiListener?.apiListener else {
      throw XDSResourceError("api_listener", "missing: only a listener that has one is for clients")
    }
    self = try XDSResourceError.within("api_listener") {
      guard let manager = try packed.unpack(WireHttpConnectionManager.self) else {
        throw XDSResourceError("type_url", "\(XDSResourceError.quote(packed.typeURL)) is not known")
      }
      return try ListenerResource(manager)
    }
  }

  private init(_ manager: WireHttpConnectionManager) throws(XDSResourceError) {
    maxStreamDuration = manager.commonHTTPProtocolOptions?.maxStreamDuration.flatMap {
      $0.duration > .zero ? $0.duration : nil
    }
    switch manager.routeSpecifier {
    case .rds(let rds)?:
      guard !rds.routeConfigName.isEmpty else { throw XDSResourceError("rds.route_config_name", "empty") }
      guard let source = rds.configSource?.configSourceSpecifier, source.isThisStream else {
        throw XDSResourceError("rds.config_source", "is neither ads nor self")
      }
      routes = .named(rds.routeConfigName)
    case .routeConfig(let config)?:
      routes = .inline(try XDSResourceError.within("route_config") { try RouteTable(config) })
    case nil: throw XDSResourceError("route_specifier", "is neither rds nor route_config")
    }
    (faults, sessions) = try ListenerResource.filters(manager.httpFilters)
  }

  private static let maxFilters = 100

  /// gRFC A39: a filter that is not known is passed over only if it is optional; the last one is the router.
  private static func filters(
    _ filters: [WireHttpFilter]
  ) throws(XDSResourceError) -> ([FaultFilter], [SessionFilter]) {
    guard let last = filters.last else { throw XDSResourceError("http_filters", "empty: the router is missing") }
    guard filters.count <= maxFilters else { throw XDSResourceError("http_filters", "over \(maxFilters) filters") }
    var names: Set<String> = []
    var faults: [FaultFilter] = []
    var sessions: [SessionFilter] = []
    for filter in filters {
      let place = "http_filters[\(XDSResourceError.quote(filter.name))]"
      guard names.insert(filter.name).inserted else { throw XDSResourceError(place, "comes twice") }
      guard case .typedConfig(let config)? = filter.configType else {
        guard filter.isOptional else { throw XDSResourceError(place, "has no typed_config") }
        continue
      }
      switch config.typeName {
      case routerType:
        guard filter.name == last.name else { throw XDSResourceError(place, "the router must be the last filter") }
      case FaultSettings.type:
        let wire = try unpack(config, WireHTTPFault.self, place)
        let settings = try XDSResourceError.within(place) { try FaultSettings(wire) }
        faults.append(FaultFilter(name: filter.name, settings: settings))
      case SessionSettings.type:
        let wire = try unpack(config, WireStatefulSession.self, place)
        let settings = try XDSResourceError.within(place) { try SessionSettings(wire) }
        sessions.append(SessionFilter(name: filter.name, settings: settings))
      default:
        guard filter.isOptional else {
          throw XDSResourceError(place, "the filter type \(XDSResourceError.quote(config.typeURL)) is not known")
        }
      }
    }
    guard case .typedConfig(let config)? = last.configType, config.typeName == routerType else {
      throw XDSResourceError("http_filters", "the last filter is not the router")
    }
    return (faults, sessions)
  }

  private static func unpack<M: Message>(
    _ config: Google_Protobuf_Any, _ type: M.Type, _ place: String
  ) throws(XDSResourceError) -> M {
    try XDSResourceError.within(place) {
      guard let wire = try config.unpack(type) else { throw XDSResourceError("typed_config", "is of another type") }
      return wire
    }
  }
}

extension WireConfigSource.ConfigSourceSpecifier {
  /// From the same control plane, over the same stream.
  var isThisStream: Bool {
    switch self {
    case .ads, .self_p: true
    }
  }
}
