/// What OpenTelemetry calls a server's address and port, of a canonical target: `orders` and `50051` of `dns:///orders:50051`.
package struct ServerName: Hashable, Sendable {
  package let address: String
  /// Empty where there is none.
  package let port: String

  package init(target: String) {
    var rest = target[...]
    if let colon = target.firstIndex(of: ":"), !target[..<colon].contains("[") {
      rest = target[target.index(after: colon)...]
      let scheme = target[..<colon]
      if rest.hasPrefix("//") {
        // The authority is whom to ask for the name.
        let path = rest.dropFirst(2)
        rest = path.firstIndex(of: "/").map { path[path.index(after: $0)...] } ?? path
        if scheme.hasPrefix("unix") { rest = path.drop { $0 != "/" } }
      }
      if scheme.hasPrefix("unix") || scheme == "in-process" {
        self.init(address: String(rest), port: "")
        return
      }
    }
    // The first one of a list stands for it.
    rest = rest.prefix { $0 != "," }
    guard let colon = rest.lastIndex(of: ":"), rest[rest.index(after: colon)...].allSatisfy(\.isNumber),
      !rest[..<colon].contains(":") || rest[..<colon].hasSuffix("]")
    else {
      self.init(address: String(rest.filter { $0 != "[" && $0 != "]" }), port: "")
      return
    }
    self.init(
      address: String(rest[..<colon].filter { $0 != "[" && $0 != "]" }), port: String(rest[rest.index(after: colon)...])
    )
  }

  private init(address: String, port: String) {
    self.address = address
    self.port = port
  }
}
