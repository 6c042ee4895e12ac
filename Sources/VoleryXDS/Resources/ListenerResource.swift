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

  static let routerType = "envoy.extensions.filters.http.router.v3.Router"

  init(_ wire: WireListener) throws(XDSResourceError) {
    guard let packed = wire.apiListener?.apiListener else {
      throw XDSResourceError("api_listener", "missing: only a listener that has one is for clients")
    }
    let field = "api_listener"
    do {
      guard let manager = try packed.unpack(WireHttpConnectionManager.self) else {
        throw XDSResourceError(field, "has the type \(XDSResourceError.quote(packed.typeURL))")
      }
      self = try ListenerResource(manager)
    } catch let error as XDSResourceError {
      throw error.within(field)
    } catch {
      throw XDSResourceError(field, "\(error)")
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
      do throws(XDSResourceError) { routes = .inline(try RouteTable(config)) } catch {
        throw error.within("route_config")
      }
    case nil: throw XDSResourceError("route_specifier", "is neither rds nor route_config")
    }
    try ListenerResource.check(manager.httpFilters)
  }

  /// gRFC A39: a filter that is not known is passed over only if it is optional; the last one is the router.
  private static func check(_ filters: [WireHttpFilter]) throws(XDSResourceError) {
    guard let last = filters.last else { throw XDSResourceError("http_filters", "empty: the router is missing") }
    var names: Set<String> = []
    for filter in filters {
      let place = "http_filters[\(XDSResourceError.quote(filter.name))]"
      guard names.insert(filter.name).inserted else { throw XDSResourceError(place, "comes twice") }
      guard case .typedConfig(let config)? = filter.configType else {
        guard filter.isOptional else { throw XDSResourceError(place, "has no typed_config") }
        continue
      }
      guard config.typeName == routerType || filter.isOptional else {
        throw XDSResourceError(place, "the filter type \(XDSResourceError.quote(config.typeURL)) is not known")
      }
      guard config.typeName != routerType || filter.name == last.name else {
        throw XDSResourceError(place, "the router must be the last filter")
      }
    }
    guard case .typedConfig(let config)? = last.configType, config.typeName == routerType else {
      throw XDSResourceError("http_filters", "the last filter is not the router")
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
