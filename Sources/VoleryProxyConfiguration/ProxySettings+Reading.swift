import VoleryClient
import VoleryConfiguration
import VoleryEventLoops
package import VoleryNameResolution
import VoleryProxy
import VoleryServer

extension ProxySettings {
  /// Reads all of it, and finds all that is wrong with it.
  ///
  /// - Parameter resolvers: Know targets besides those that every channel knows.
  /// - Throws: `SettingFaults`, at least one.
  package init(
    reading root: SettingNode, resolvers others: [any ResolverFactory] = []
  ) async throws(SettingFaults) {
    for other in others { resolvers.register(other) }
    var reader = SectionReader(root, path: "")
    for key in ["listen", "metrics", "tls", "server", "loops"] { places[key] = reader.place(of: key) ?? reader.place }
    name = reader.text("name")?.value
    maxHops = reader.number("maxHops", in: 1...1000)
    loops = reader.number("loops", in: 1...1024)
    accessLog = reader.choice("accessLog", AccessLog.self) ?? .none
    authority = reader.authority("authority")
    if let header = reader.headerName("identityHeader") { identityHeader = header.value == "none" ? nil : header.value }
    readListen(&reader)
    readMetrics(&reader)
    serverTLS = reader.tls("tls", towards: .clients)
    let serverTexts = reader.options("server", ServerOptions.configurationKeys.map(\.name))
    server = await reader.made(of: serverTexts, ServerOptions()) { try await $0.configure(from: $1) }
    fixed["server"] = serverTexts.map { "\($0.key)=\($0.text)" }.sorted()
    fixed["loops"] = [loops.map { "\($0)" } ?? ""]
    fixed["tls"] = ["\(String(describing: serverTLS))"]
    await readTargets(&reader)
    readRoutes(&reader)
    let faults = reader.finish()
    guard faults.isEmpty else { throw SettingFaults(faults) }
  }

  /// The keys of which the running proxy has another value: they hold from the next start on.
  package func startKeys(differingFrom other: ProxySettings) -> [String] {
    fixed.keys.filter { fixed[$0] != other.fixed[$0] }.sorted()
  }

  /// One for each of them.
  func startFaults(differingFrom other: ProxySettings) -> [SettingFault] {
    startKeys(differingFrom: other).compactMap { key in
      places[key].map { SettingFault($0, key: key, "it can't be changed while the proxy runs") }
    }
  }

  // MARK: Addresses

  private mutating func readListen(_ reader: inout SectionReader) {
    for node in reader.list("listen") ?? [] {
      switch node.content {
      case .text(let text):
        if let address = ListenAddress(setting: text) {
          listen.append(address)
        } else {
          reader.fault(node.place, "listen", "\"\(text)\" is neither ADDR:PORT nor unix:/path")
        }
      case .section, .list, .nothing:
        var part = SectionReader(node, path: "listen.")
        let host = part.text("host")?.value ?? "0.0.0.0"
        if let port = part.number("port", in: 0...65535) {
          listen.append(.tcp(host, port))
        } else if part.faults.isEmpty {
          part.fault("there is no port")
        }
        reader.add(part.finish())
      }
    }
    if listen.isEmpty { listen = [.tcp("0.0.0.0", 8080)] }
    fixed["listen"] = listen.map { "\($0)" }
  }

  private mutating func readMetrics(_ reader: inout SectionReader) {
    defer { fixed["metrics"] = ["\(String(describing: metrics))"] }
    guard let text = reader.text("metrics") else { return }
    switch ListenAddress(setting: text.value) {
    case .tcp(let host, let port)?: metrics = .tcp(host: host, port: port)
    case .unix(let path)?: metrics = .unix(path: path)
    default: reader.fault(text.place, "metrics", "\"\(text.value)\" is neither ADDR:PORT nor unix:/path")
    }
    for address in listen where OwnAddresses([address]).isTaken(by: metrics) {
      reader.fault(text.place, "metrics", "clients connect there: \(address.settingText)")
    }
  }

  // MARK: Routes

  private mutating func readRoutes(_ reader: inout SectionReader) {
    let nodes = reader.list("routes")
    for (index, node) in (nodes ?? []).prefix(ProxySettings.mostRoutes + 1).enumerated() {
      guard index < ProxySettings.mostRoutes else {
        reader.fault(node.place, "routes", "there are more than \(ProxySettings.mostRoutes)")
        break
      }
      var part = SectionReader(node, path: "routes[\(index)].")
      routes.append(route(&part))
      reader.add(part.finish())
    }
    // The target that stands alone takes what no route has taken.
    if targets[ProxySettings.ownName] != nil {
      var last = RouteSettings()
      last.destinations = [.init(target: ProxySettings.ownName, weight: 1)]
      routes.append(last)
    } else if nodes == nil, targets.count == 1, let name = targets.keys.first {
      var only = RouteSettings()
      only.destinations = [.init(target: name, weight: 1)]
      routes.append(only)
    } else if routes.isEmpty, reader.faults.isEmpty {
      reader.fault("there is no target: \"target: dns:///orders:50051\", or targets and routes to them")
    }
  }

  private static let mostRoutes = 1000

  private func route(_ reader: inout SectionReader) -> RouteSettings {
    var route = RouteSettings()
    route.service = reader.text("service")?.value
    let prefix = reader.text("pathPrefix")
    if let prefix {
      if !prefix.value.hasPrefix("/") { reader.fault(prefix.place, "pathPrefix", "a path begins with \"/\"") }
      route.pathPrefix = prefix.value
    }
    if let method = reader.text("method") {
      if let service = route.service, prefix == nil {
        route.pathPrefix = "/\(service)/\(method.value)"
      } else {
        reader.fault(method.place, "method", "it needs a service beside it, and no pathPrefix")
      }
    }
    for (index, node) in (reader.list("headers") ?? []).prefix(16).enumerated() {
      var part = SectionReader(node, path: "\(reader.path)headers[\(index)].")
      if let match = part.headerMatch() { route.headers.append(match) }
      reader.add(part.finish())
    }
    route.authority = reader.authority("authority")
    route.maxTimeout = reader.duration("maxTimeout")
    route.destinations = destinations(&reader)
    return route
  }

  private func destinations(_ reader: inout SectionReader) -> [RouteSettings.Destination] {
    var found: [RouteSettings.Destination] = []
    let single = reader.node("target")
    let several = reader.list("targets") ?? []
    for (index, node) in ((single.map { [$0] } ?? []) + several).prefix(64).enumerated() {
      if case .text(let name) = node.content {
        known(name, node.place, single == nil ? "targets" : "target", &reader)
        found.append(.init(target: name, weight: 1))
        continue
      }
      var part = SectionReader(node, path: "\(reader.path)targets[\(index)].")
      let weight = part.number("weight", in: 0...1_000_000) ?? 1
      if let name = part.text("target") {
        known(name.value, name.place, "target", &part)
        found.append(.init(target: name.value, weight: weight))
      } else if part.faults.isEmpty {
        part.fault("there is no target")
      }
      reader.add(part.finish())
    }
    if found.isEmpty, reader.faults.isEmpty { reader.fault("a route needs a target") }
    if !found.isEmpty, found.allSatisfy({ $0.weight == 0 }) {
      reader.fault("all of its weights are 0: no call could go anywhere")
    }
    return found
  }

  private func known(_ name: String, _ place: SettingPlace, _ key: String, _ reader: inout SectionReader) {
    guard targets[name] == nil, !unreadable.contains(name) else { return }
    let names = targets.keys.filter { $0 != ProxySettings.ownName }.sorted().joined(separator: ", ")
    reader.fault(place, key, "there is no target \"\(name)\" under targets; there are: \(names)")
  }
}
