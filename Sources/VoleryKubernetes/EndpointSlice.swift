import VoleryPlatform
package import VoleryTypes

/// An object of the API that is not what it should be.
package struct MalformedObject: Error, Hashable, CustomStringConvertible {
  package let description: String
}

/// What counts of an EndpointSlice (discovery.k8s.io/v1). What is missing, or of a wrong type, is as if it were not there; a
/// slice without a name is an error.
package struct EndpointSlice: Hashable, Sendable {
  package struct Port: Hashable, Sendable {
    /// Empty for the one port of a Service that has no other.
    package var name: String
    package var number: Int
    package var appProtocol: String?
  }

  /// One of the slice's endpoints: a pod, by the address of the slice's family.
  package struct Member: Hashable, Sendable {
    package var address: String
    /// Nil counts as true.
    package var isReady: Bool
    /// Nil counts as `isReady`.
    package var isServing: Bool
    package var isTerminating: Bool
    package var nodeName: String?
    package var zone: String?
    /// For clients of these zones.
    package var zoneHints: [String]
    package var pod: KubernetesPod?
    /// The same for both addresses of one pod; nil: nothing says which server this is but its address.
    package var identity: String?
  }

  package var name: String
  /// Only those of TCP that have a number.
  package var ports: [Port]
  package var members: [Member]

  /// What the API itself allows (1,000 endpoints, 100 ports, 8 hints); what exceeds it is not used.
  package static let maxMembers = 1000
  private static let maxPorts = 100
  private static let maxHints = 8
  private static let maxTextBytes = 253

  package init(name: String, ports: [Port], members: [Member]) {
    self.name = name
    self.ports = ports
    self.members = members
  }

  package init(_ object: JSONValue) throws(MalformedObject) {
    guard let name = EndpointSlice.text(object["metadata"]?["name"]) else {
      throw MalformedObject(description: "an EndpointSlice without a name")
    }
    let namespace = EndpointSlice.text(object["metadata"]?["namespace"])
    self.name = name
    ports = EndpointSlice.list(object["ports"]).prefix(EndpointSlice.maxPorts).compactMap(EndpointSlice.port)
    // Names are no addresses that could be connected to.
    let hasAddresses = EndpointSlice.text(object["addressType"]) != "FQDN"
    members =
      hasAddresses
      ? EndpointSlice.list(object["endpoints"]).prefix(EndpointSlice.maxMembers).compactMap {
        EndpointSlice.member($0, namespace: namespace)
      } : []
  }

  private static func port(_ value: JSONValue) -> Port? {
    guard (text(value["protocol"]) ?? "TCP") == "TCP", let number = value["port"].flatMap(ConfigReader.count),
      (1...65535).contains(number)
    else { return nil }
    return Port(name: text(value["name"]) ?? "", number: number, appProtocol: text(value["appProtocol"]))
  }

  private static func member(_ value: JSONValue, namespace: String?) -> Member? {
    // All of them lead to the same: the first is enough, as everywhere else.
    guard let address = list(value["addresses"]).lazy.compactMap(text).first(where: AddressLiteral.isAddress) else {
      return nil
    }
    let conditions = value["conditions"]
    let isReady = bool(conditions?["ready"]) ?? true
    let node = text(value["nodeName"])
    let host = text(value["hostname"])
    let target = value["targetRef"]
    var pod: KubernetesPod?
    if let name = text(target?["name"]), (text(target?["kind"]) ?? "Pod") == "Pod" {
      pod = KubernetesPod(
        name: name, namespace: text(target?["namespace"]) ?? namespace, nodeName: node, uid: text(target?["uid"]))
    }
    var identity: String?
    if let pod {
      identity = pod.uid.map { "uid \($0)" } ?? "pod \(pod.namespace ?? "")/\(pod.name)"
    } else if let host, let node {
      identity = "host \(node)/\(host)"
    }
    return Member(
      address: address, isReady: isReady, isServing: bool(conditions?["serving"]) ?? isReady,
      isTerminating: bool(conditions?["terminating"]) ?? false, nodeName: node, zone: text(value["zone"]),
      zoneHints: list(value["hints"]?["forZones"]).prefix(maxHints).compactMap { text($0["name"]) }, pod: pod,
      identity: identity)
  }

  // MARK: Members of an object

  private static func text(_ value: JSONValue?) -> String? {
    guard case .string(let text)? = value, !text.isEmpty, text.utf8.count <= maxTextBytes else { return nil }
    return text
  }

  private static func bool(_ value: JSONValue?) -> Bool? { value.flatMap(ConfigReader.bool) }

  private static func list(_ value: JSONValue?) -> [JSONValue] {
    if case .array(let elements)? = value { elements } else { [] }
  }
}
