package import VoleryNameResolution
import VoleryPlatform
import VoleryPrimitives
import VoleryTypes

/// How much of a Service is kept.
public struct KubernetesLimits: Hashable, Sendable {
  /// EndpointSlices of one Service; more are not used. 1,000: Kubernetes puts 100 endpoints in each.
  public var maxSlices = 1000
  /// Endpoints of one answer; more are not used. 10,000, which is the most that a channel uses.
  public var maxEndpoints = 10_000
  /// Bytes of one event of a watch, which is a whole EndpointSlice; more ends the watch with an error. 4 MiB.
  public var maxEventBytes = 4 << 20
  /// Bytes of the answer to one list; more is an error. 32 MiB.
  public var maxListBytes = 32 << 20

  /// As above.
  public init() {}
}

/// All EndpointSlices of one Service: a value that says which endpoints they are together.
///
/// - An endpoint is ready unless its slice says that it is not. Those that are not ready are left out; where none is ready,
///   those that serve on while they end are used, as kube-proxy does.
/// - The addresses of one pod, which a Service with two families has in a slice for each, are one endpoint. A pod that is
///   in two slices of a family, as happens while slices are filled up, is as the slice says that changed last.
/// - The order is that of the slices' names, and within one its own: what does not change stays where it is.
package struct EndpointSliceSet: Hashable, Sendable {
  private struct Entry: Hashable {
    var slice: EndpointSlice
    /// Grows with every change.
    var age: Int
  }

  private var entries: [String: Entry] = [:]
  private var changeCount = 0
  private let limits: KubernetesLimits
  /// Slices that there was no room for.
  package private(set) var droppedCount = 0

  package init(limits: KubernetesLimits = KubernetesLimits()) { self.limits = limits }

  package var sliceCount: Int { entries.count }

  // MARK: Changes

  /// These and no others: a list.
  package mutating func replace(with slices: [EndpointSlice]) {
    changeCount += 1
    entries = [:]
    droppedCount = 0
    for slice in slices { keep(slice) }
  }

  /// A slice is new, or another than before.
  package mutating func set(_ slice: EndpointSlice) {
    changeCount += 1
    keep(slice)
  }

  private mutating func keep(_ slice: EndpointSlice) {
    guard entries[slice.name] != nil || entries.count < limits.maxSlices else {
      droppedCount += 1
      return
    }
    entries[slice.name] = Entry(slice: slice, age: changeCount)
  }

  package mutating func remove(_ name: String) {
    changeCount += 1
    entries[name] = nil
  }

  // MARK: The answer

  /// The port of each slice's pods; nil where a slice does not have it.
  private static func number(of port: ServicePort, in ports: [EndpointSlice.Port]) -> Int? {
    switch port {
    case .number(let number): return number
    case .named(let name): return ports.first { $0.name == name }?.number
    case .only:
      if ports.count == 1 { return ports[0].number }
      if let named = ports.first(where: { $0.name == "grpc" }) { return named.number }
      let spoken = ports.filter { ["grpc", "kubernetes.io/h2c"].contains($0.appProtocol) }
      return spoken.count == 1 ? spoken[0].number : nil
    }
  }

  /// A server in the making: at most one address of each family.
  private struct Server {
    var ipv4: Seen?
    var ipv6: Seen?
  }

  private struct Seen {
    var member: EndpointSlice.Member
    var port: Int
    var age: Int
  }

  private struct Servers {
    var list: [Server] = []
    var indices: [String: Int] = [:]
    /// Members of slices that do not have the port.
    var withoutPort = 0
  }

  private var servers: (ServicePort) -> Servers {
    { port in
      var servers = Servers()
      for entry in entries.values.sorted(by: { $0.slice.name < $1.slice.name }) {
        guard let number = EndpointSliceSet.number(of: port, in: entry.slice.ports) else {
          servers.withoutPort += entry.slice.members.count
          continue
        }
        for member in entry.slice.members {
          EndpointSliceSet.add(Seen(member: member, port: number, age: entry.age), to: &servers)
        }
      }
      return servers
    }
  }

  private static func add(_ seen: Seen, to servers: inout Servers) {
    let identity = seen.member.identity ?? "address \(seen.member.address)"
    let index = servers.indices[identity] ?? servers.list.count
    if index == servers.list.count {
      servers.list.append(Server())
      servers.indices[identity] = index
    }
    let isIPv6 = AddressLiteral.isIPv6(seen.member.address)
    let before = isIPv6 ? servers.list[index].ipv6 : servers.list[index].ipv4
    if let before {
      // What is said twice at once: ready wins.
      guard seen.age > before.age || (seen.age == before.age && seen.member.isReady && !before.member.isReady) else {
        return
      }
    }
    if isIPv6 { servers.list[index].ipv6 = seen } else { servers.list[index].ipv4 = seen }
  }

  /// The endpoints behind this port.
  ///
  /// - Parameter name: Of the Service, for the note: `shop/orders`.
  package func resolution(port: ServicePort, of name: String) -> Resolution {
    let servers = servers(port)
    var endpoints = EndpointSliceSet.endpoints(servers.list) { $0.isReady }
    var isLastResort = false
    if endpoints.isEmpty {
      endpoints = EndpointSliceSet.endpoints(servers.list) { $0.isServing && $0.isTerminating }
      isLastResort = !endpoints.isEmpty
    }
    if endpoints.count > limits.maxEndpoints { endpoints.removeLast(endpoints.count - limits.maxEndpoints) }
    var note: String
    if endpoints.isEmpty {
      note = emptyNote(servers, port, name)
    } else {
      note = "\(endpoints.count) of \(servers.list.count) endpoints in \(entries.count) EndpointSlices of \(name)"
      if isLastResort { note += ", all of which are about to end" }
    }
    if droppedCount > 0 { note += "; more than \(limits.maxSlices) EndpointSlices, the others are not used" }
    if case .number(let number) = port, let listed = listedPorts, !listed.contains(where: { $0.number == number }) {
      note += "; the Service does not list port \(number), but \(EndpointSliceSet.text(listed))"
    }
    return Resolution(endpoints: endpoints, note: note)
  }

  private static func endpoints(_ servers: [Server], where isWanted: (EndpointSlice.Member) -> Bool) -> [Endpoint] {
    servers.compactMap { server in
      // As a DNS name with an address of each family: IPv6 first.
      let seen = [server.ipv6, server.ipv4].compactMap { $0 }.filter { isWanted($0.member) }
      guard let first = seen.first?.member else { return nil }
      var attributes = Endpoint.Attributes()
      attributes.zone = first.zone
      attributes.zoneHints = first.zoneHints
      attributes.kubernetesPod = first.pod
      attributes.isTerminating = !first.isReady
      return Endpoint(seen.map { .tcp($0.member.address, $0.port) }, attributes: attributes)
    }
  }

  /// Nil where no slice lists a port.
  private var listedPorts: [EndpointSlice.Port]? {
    let ports = Set(entries.values.flatMap(\.slice.ports))
    return ports.isEmpty ? nil : ports.sorted { ($0.name, $0.number) < ($1.name, $1.number) }
  }

  private static func text(_ ports: [EndpointSlice.Port]) -> String {
    ports.prefix(10).map { $0.name.isEmpty ? "\($0.number)" : "\(String(foreign: $0.name)) (\($0.number))" }
      .joined(separator: ", ")
  }

  private func emptyNote(_ servers: Servers, _ port: ServicePort, _ name: String) -> String {
    if entries.isEmpty { return "\(name) has no EndpointSlice: is there such a Service, and has it a selector?" }
    if servers.list.isEmpty, servers.withoutPort > 0 {
      let listed = listedPorts.map { EndpointSliceSet.text($0) } ?? "none"
      switch port {
      case .named(let port): return "\(name) has no port named \"\(port)\"; it has \(listed)"
      case .only, .number: return "\(name) has several ports, or none: write which one in the target; it has \(listed)"
      }
    }
    if servers.list.isEmpty { return "\(name) has no pods" }
    return "none of the \(servers.list.count) pods of \(name) is ready"
  }
}
