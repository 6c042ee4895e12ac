import VoleryProtobuf
import VoleryWellKnownTypes

/// What stands in the place of the listener's filters for a virtual host, a route or a cluster (`typed_per_filter_config`, gRFC
/// A39): the settings of faults, and which filters are off.
package struct FilterOverrides: Equatable, Sendable {
  /// Nil: the filter is off.
  package private(set) var faults: [String: FaultSettings?] = [:]

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
        faults[name] = .some(nil)
        return
      }
      guard let inner = wrapped.config else { throw XDSResourceError("config", "missing") }
      any = inner
    }
    if let fault = try any.unpack(WireHTTPFault.self) {
      faults[name] = .some(try FaultSettings(fault))
    } else if !isOptional {
      throw XDSResourceError("type_url", "the filter type \(XDSResourceError.quote(any.typeURL)) is not known")
    }
  }

  /// Those of a narrower place over these.
  func merging(_ narrower: FilterOverrides) -> FilterOverrides {
    guard !narrower.faults.isEmpty else { return self }
    var merged = self
    merged.faults.merge(narrower.faults) { $1 }
    return merged
  }

  /// What the filter does here; nil: nothing.
  func settings(of filter: FaultFilter) -> FaultSettings? {
    faults.isEmpty ? filter.settings : faults[filter.name, default: filter.settings]
  }
}
