import VoleryPlatform
package import VoleryTypes

/// Reads the text of a `file:` target; `FileResolverFactory` says what may stand in it.
package enum EndpointFile {
  /// More than any real service has, and little enough to be read at every change.
  private static let maxEndpoints = 10_000

  /// - Throws: `ServiceConfigError`: what is wrong, and where.
  package static func parse(_ text: String, note: String) throws(ServiceConfigError) -> Resolution {
    let value: JSONValue
    do { value = try JSONValue(parsing: text) } catch { throw ServiceConfigError("\(error)") }
    guard case .object(let members) = value, members["endpoints"] != nil else {
      throw ServiceConfigError("an object with the member \"endpoints\" is needed")
    }
    let list = try ConfigReader(value, at: "file").array("endpoints")
    guard list.count <= maxEndpoints else { throw ServiceConfigError("more than \(maxEndpoints) endpoints") }
    var endpoints: [Endpoint] = []
    for (index, element) in list.enumerated() {
      endpoints.append(try endpoint(ConfigReader(element.value, at: "endpoints[\(index)]")))
    }
    let count = "\(endpoints.count) \(endpoints.count == 1 ? "endpoint" : "endpoints")"
    var resolution = Resolution(
      endpoints: endpoints, note: endpoints.isEmpty ? "\(note) lists no endpoint" : "\(count) of \(note)")
    if let config = value["serviceConfig"], config != .null { resolution.serviceConfigJSON = config.text }
    return resolution
  }

  private static func endpoint(_ reader: ConfigReader) throws(ServiceConfigError) -> Endpoint {
    if case .string(let text) = reader.value { return Endpoint(try address(text, reader.place)) }
    guard case .object = reader.value else {
      throw ServiceConfigError("\(reader.place): neither an address nor an object")
    }
    var addresses: [SocketAddress] = []
    if let text = try reader.optional("address", ConfigReader.string) {
      addresses.append(try address(text, reader.place))
    }
    for element in try reader.array("addresses") {
      guard let text = ConfigReader.string(element.value) else {
        throw ServiceConfigError("\(element.place): not a text")
      }
      addresses.append(try address(text, element.place))
    }
    guard !addresses.isEmpty else { throw ServiceConfigError("\(reader.place) has no address") }
    var attributes = Endpoint.Attributes()
    attributes.weight = try number(reader, "weight")
    attributes.priority = try number(reader, "priority")
    attributes.zone = try reader.optional("zone", ConfigReader.string)
    attributes.serverName = try reader.optional("serverName", ConfigReader.string)
    if let custom = try reader.object("attributes"), case .object(let members) = custom.value {
      for name in members.keys { attributes.custom[name] = try custom.required(name, ConfigReader.string) }
    }
    return Endpoint(addresses, attributes: attributes)
  }

  private static func number(_ reader: ConfigReader, _ name: String) throws(ServiceConfigError) -> UInt32? {
    guard let count = try reader.optional(name, ConfigReader.wholeNumber) else { return nil }
    guard let number = UInt32(exactly: count) else { throw reader.error(name, "is too large") }
    return number
  }

  /// `10.0.0.1:50051`, `[fd00::1]:50051`, `unix:/run/orders.sock`, `unix-abstract:orders`.
  private static func address(_ text: String, _ place: String) throws(ServiceConfigError) -> SocketAddress {
    if text.hasPrefix("unix:"), text.utf8.count > 5 { return .unix(String(text.dropFirst(5))) }
    if text.hasPrefix("unix-abstract:"), text.utf8.count > 14 { return .unixAbstract(String(text.dropFirst(14))) }
    guard let parts = HostAndPort(text, defaultPort: -1), parts.port >= 0, AddressLiteral.isAddress(parts.host) else {
      throw ServiceConfigError("\(place): \"\(text)\" is not an IP address with a port")
    }
    return .tcp(parts.host, parts.port)
  }
}
