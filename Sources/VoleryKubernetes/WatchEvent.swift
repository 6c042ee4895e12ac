import VoleryPrimitives
import VoleryTypes

/// A page of a list.
package struct SlicePage: Sendable {
  package var slices: [EndpointSlice]
  /// From which to watch.
  package var version: String
  /// For the next page; nil: this is the last.
  package var continuation: String?

  package init(slices: [EndpointSlice], version: String, continuation: String? = nil) {
    self.slices = slices
    self.version = version
    self.continuation = continuation
  }

  package init(json bytes: [UInt8]) throws(KubernetesFailure) {
    let value = try WatchEvent.json(bytes)
    guard case .string(let version)? = value["metadata"]?["resourceVersion"], !version.isEmpty else {
      throw .malformed("a list without a resourceVersion")
    }
    self.version = version
    slices = []
    guard case .array(let items)? = value["items"] ?? .array([]) else { throw .malformed("a list without items") }
    for item in items { slices.append(try WatchEvent.slice(item)) }
    if case .string(let token)? = value["metadata"]?["continue"], !token.isEmpty { continuation = token }
  }
}

/// A line of a watch.
package enum WatchEvent: Sendable, Equatable {
  /// ADDED and MODIFIED are the same to whoever keeps slices by their names.
  case changed(EndpointSlice, version: String)
  case deleted(name: String, version: String)
  /// Nothing has changed up to this version.
  case bookmark(version: String)
  /// ERROR: the last line of the stream.
  case failed(KubernetesFailure)

  package init(json bytes: [UInt8]) throws(KubernetesFailure) {
    let value = try WatchEvent.json(bytes)
    guard case .string(let type)? = value["type"], let object = value["object"], case .object = object else {
      throw .malformed("an event of a watch without a type or an object")
    }
    if type == "ERROR" {
      let code = object["code"].flatMap(ConfigReader.count) ?? 500
      self = .failed(KubernetesFailure(status: code, body: object))
      return
    }
    guard case .string(let version)? = object["metadata"]?["resourceVersion"], !version.isEmpty else {
      throw .malformed("an event of a watch without a resourceVersion")
    }
    switch type {
    case "ADDED", "MODIFIED": self = .changed(try WatchEvent.slice(object), version: version)
    case "DELETED": self = .deleted(name: try WatchEvent.slice(object).name, version: version)
    case "BOOKMARK": self = .bookmark(version: version)
    default: throw .malformed("an event of the unknown type \"\(String(foreign: type, limit: 40))\"")
    }
  }

  static func json(_ bytes: [UInt8]) throws(KubernetesFailure) -> JSONValue {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .malformed("not UTF-8") }
    do { return try JSONValue(parsing: text) } catch { throw .malformed("\(error)") }
  }

  static func slice(_ value: JSONValue) throws(KubernetesFailure) -> EndpointSlice {
    do { return try EndpointSlice(value) } catch { throw .malformed(error.description) }
  }
}
