import VoleryProtobuf
import VoleryWellKnownTypes

/// What stands in the place of the listener's filters for a virtual host, a route or a cluster (`typed_per_filter_config`, gRFC
/// A39): the settings of faults and of sessions, and which filters are off.
package struct FilterOverrides: Equatable, Sendable {
  /// What a filter does.
  package enum Setting: Equatable, Sendable {
    case nothing
    case fault(FaultSettings)
    case session(SessionSettings)
  }

  /// By the filter's name.
  package private(set) var settings: [String: Setting] = [:]

  private static let wrapper = "envoy.config.route.v3.FilterConfig"
  private static let maxFilters = 100

  package init() {}

  init(_ wire: [String: Google_Protobuf_Any]) throws(XDSResourceError) {
    guard wire.count <= FilterOverrides.maxFilters else {
      throw XDSResourceError("typed_per_filter_config", "over \(FilterOverrides.maxFilters) filters")
    }
    for (name, any) in wire.sorted(by: { $0.key < $1.key }) {
      let place = "typed_per_filter_config[\(XDSResourceError.quote(name))]"
      try XDSResourceError.within(place) { try add(any, name) }
    }
  }

  private mutating func add(_ any: Google_Protobuf_Any, _ name: String) throws {
    var any = any
    var isOptional = false
    if let wrapped = try any.unpack(WireFilterConfig.self) {
      isOptional = wrapped.isOptional
      if wrapped.disabled {
        settings[name] = .nothing
        return
      }
      guard let inner = wrapped.config else { throw XDSResourceError("config", "missing") }
      any = inner
    }
    if let fault = try any.unpack(WireHTTPFault.self) {
      settings[name] = .fault(try FaultSettings(fault))
    } else if let session = try any.unpack(WireStatefulSessionPerRoute.self) {
      settings[name] = try FilterOverrides.setting(session)
    } else if !isOptional {
      throw XDSResourceError("type_url", "the filter type \(XDSResourceError.quote(any.typeURL)) is not known")
    }
  }

  /// gRFC A55: off, or another cookie.
  private static func setting(_ wire: WireStatefulSessionPerRoute) throws(XDSResourceError) -> Setting {
    switch wire.override {
    case .statefulSession(let session)?:
      let read = try XDSResourceError.within("stateful_session") { try SessionSettings(session) }
      return read.map(Setting.session) ?? .nothing
    case .disabled?, nil: return .nothing
    }
  }

  /// Those of a narrower place over these.
  func merging(_ narrower: FilterOverrides) -> FilterOverrides {
    guard !narrower.settings.isEmpty else { return self }
    var merged = self
    merged.settings.merge(narrower.settings) { $1 }
    return merged
  }

  /// What the filter does here; nil: nothing.
  func settings(of filter: FaultFilter) -> FaultSettings? {
    switch settings[filter.name] {
    case nil, .session?: filter.settings
    case .nothing?: nil
    case .fault(let own)?: own
    }
  }

  /// The same.
  func settings(of filter: SessionFilter) -> SessionSettings? {
    switch settings[filter.name] {
    case nil, .fault?: filter.settings
    case .nothing?: nil
    case .session(let own)?: own
    }
  }
}
