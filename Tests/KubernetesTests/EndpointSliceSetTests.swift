import Testing
import Volery
import VoleryKubernetes
import VoleryTypes

@Suite("EndpointSlices together") struct EndpointSliceSetTests {
  /// As the API writes it; `endpoints` are JSON.
  private func slice(_ name: String, _ endpoints: [String], ports: String = #"[{"name":"grpc","port":50051}]"#) throws
    -> EndpointSlice
  {
    try EndpointSlice(
      JSONValue(
        parsing: """
          {"metadata":{"name":"\(name)","namespace":"shop"},"addressType":"IPv4","ports":\(ports),
           "endpoints":[\(endpoints.joined(separator: ","))]}
          """))
  }

  private func pod(_ address: String, _ uid: String, _ conditions: String = "{}", more: String = "") -> String {
    #"{"addresses":["\#(address)"],"conditions":\#(conditions),"targetRef":{"kind":"Pod","name":"p-\#(uid)","uid":"\#(uid)"}\#(more)}"#
  }

  private func texts(_ set: EndpointSliceSet, _ port: ServicePort = .named("grpc")) -> [String] {
    set.resolution(port: port, of: "shop/orders").endpoints.map(\.description)
  }

  private func note(_ set: EndpointSliceSet, _ port: ServicePort = .named("grpc")) -> String {
    set.resolution(port: port, of: "shop/orders").note
  }

  @Test("all slices are one answer, in the order of their names; one that changes changes only its own") func merged()
    throws
  {
    var set = EndpointSliceSet()
    set.replace(with: [
      try slice("b", [pod("10.0.0.3", "3")]), try slice("a", [pod("10.0.0.1", "1"), pod("10.0.0.2", "2")]),
    ])
    #expect(texts(set) == ["10.0.0.1:50051", "10.0.0.2:50051", "10.0.0.3:50051"])
    set.set(try slice("a", [pod("10.0.0.2", "2"), pod("10.0.0.4", "4")]))
    #expect(texts(set) == ["10.0.0.2:50051", "10.0.0.4:50051", "10.0.0.3:50051"])
    set.remove("b")
    #expect(texts(set) == ["10.0.0.2:50051", "10.0.0.4:50051"])
    #expect(note(set) == "2 of 2 endpoints in 1 EndpointSlices of shop/orders")
  }

  @Test("unknown readiness is readiness; those that end while they serve are the last resort, and marked")
  func conditions() throws {
    var set = EndpointSliceSet()
    let ending = pod("10.0.0.2", "2", #"{"ready":false,"serving":true,"terminating":true}"#)
    let dead = pod("10.0.0.3", "3", #"{"ready":false,"serving":false,"terminating":true}"#)
    let starting = pod("10.0.0.4", "4", #"{"ready":false,"serving":true,"terminating":false}"#)
    set.set(try slice("a", [pod("10.0.0.1", "1", #"{"ready":null}"#), ending, dead, starting]))
    #expect(texts(set) == ["10.0.0.1:50051"])
    set.set(try slice("a", [ending, dead, starting]))
    #expect(texts(set) == ["10.0.0.2:50051"])
    #expect(set.resolution(port: .only, of: "x").endpoints[0].attributes.isTerminating)
    #expect(note(set).contains("about to end"))
    set.set(try slice("a", [dead, starting]))
    #expect(texts(set).isEmpty)
    #expect(note(set) == "none of the 2 pods of shop/orders is ready")
  }

  @Test("both addresses of a pod are one endpoint, by its uid, by its name, by node and host name; IPv6 first")
  func dualStack() throws {
    var set = EndpointSliceSet()
    func named(_ address: String) -> String {
      #"{"addresses":["\#(address)"],"targetRef":{"kind":"Pod","name":"by-name"}}"#
    }
    func hosted(_ address: String) -> String { #"{"addresses":["\#(address)"],"nodeName":"n","hostname":"h"}"# }
    set.set(
      try slice("v4", [pod("10.0.0.1", "1"), named("10.0.0.2"), hosted("10.0.0.3"), #"{"addresses":["10.0.0.4"]}"#]))
    set.set(try slice("v6", [pod("fd00::1", "1"), named("fd00::2"), hosted("fd00::3"), #"{"addresses":["fd00::4"]}"#]))
    #expect(
      texts(set) == [
        "[[fd00::1]:50051, 10.0.0.1:50051]", "[[fd00::2]:50051, 10.0.0.2:50051]", "[[fd00::3]:50051, 10.0.0.3:50051]",
        "10.0.0.4:50051", "[fd00::4]:50051",
      ])
  }

  @Test("a pod in two slices is once there, as the slice says that changed last; of two at once ready wins")
  func moved() throws {
    var set = EndpointSliceSet()
    let notReady = pod("10.0.0.1", "1", #"{"ready":false}"#)
    set.replace(with: [try slice("a", [notReady]), try slice("b", [pod("10.0.0.1", "1")])])
    #expect(texts(set) == ["10.0.0.1:50051"])
    set.set(try slice("a", [notReady]))
    #expect(texts(set).isEmpty)
    // A pod of the same name that is another one, as of a StatefulSet.
    set.replace(with: [try slice("a", [pod("10.0.0.1", "1")]), try slice("b", [pod("10.0.0.9", "2")])])
    #expect(texts(set).count == 2)
  }

  @Test("a port by its name in each slice, by its number as it is, or the only one") func ports() throws {
    var set = EndpointSliceSet()
    let both =
      #"[{"name":"metrics","port":9090},{"name":"grpc","port":8080,"protocol":"TCP"},{"name":"grpc","port":53,"protocol":"UDP"}]"#
    set.set(try slice("a", [pod("10.0.0.1", "1")], ports: both))
    set.set(try slice("b", [pod("10.0.0.2", "2")]))
    #expect(texts(set) == ["10.0.0.1:8080", "10.0.0.2:50051"])
    #expect(texts(set, .only) == ["10.0.0.1:8080", "10.0.0.2:50051"])
    #expect(texts(set, .number(9090)) == ["10.0.0.1:9090", "10.0.0.2:9090"])
    #expect(note(set, .number(1)).contains("does not list port 1, but grpc (8080)"))
    #expect(texts(set, .named("web")).isEmpty)
    #expect(
      note(set, .named("web"))
        == #"shop/orders has no port named "web"; it has grpc (8080), grpc (50051), metrics (9090)"#)
    set.replace(with: [
      try slice(
        "a", [pod("10.0.0.1", "1")],
        ports: #"[{"name":"x","port":1},{"name":"y","port":2,"appProtocol":"kubernetes.io/h2c"}]"#)
    ])
    #expect(texts(set, .only) == ["10.0.0.1:2"])
    set.replace(with: [try slice("a", [pod("10.0.0.1", "1")], ports: #"[{"name":"x","port":1},{"name":"y","port":2}]"#)]
    )
    #expect(note(set, .only).contains("write which one in the target; it has x (1), y (2)"))
    set.replace(with: [try slice("a", [pod("10.0.0.1", "1")], ports: #"[{"name":"","port":7}]"#)])
    #expect(texts(set, .only) == ["10.0.0.1:7"])
    set.replace(with: [])
    #expect(note(set).contains("has no EndpointSlice: is there such a Service"))
  }

  @Test("zone, hints and pod are attributes with types") func attributes() throws {
    var set = EndpointSliceSet()
    let more = #","zone":"eu-1a","nodeName":"n1","hints":{"forZones":[{"name":"eu-1a"},{"name":"eu-1b"},{"odd":1}]}"#
    set.set(try slice("a", [pod("10.0.0.1", "1", more: more)]))
    let attributes = set.resolution(port: .only, of: "x").endpoints[0].attributes
    #expect(attributes.zone == "eu-1a")
    #expect(attributes.zoneHints == ["eu-1a", "eu-1b"])
    #expect(attributes.kubernetesPod == KubernetesPod(name: "p-1", namespace: "shop", nodeName: "n1", uid: "1"))
    #expect(!attributes.isTerminating)
  }

  @Test("what exceeds the limits is not kept, and said") func limits() throws {
    var limits = KubernetesLimits()
    limits.maxSlices = 2
    limits.maxEndpoints = 3
    var set = EndpointSliceSet(limits: limits)
    set.replace(
      with: try (1...3).map { n in try slice("s\(n)", [pod("10.0.\(n).1", "\(n)a"), pod("10.0.\(n).2", "\(n)b")]) })
    #expect(set.sliceCount == 2)
    #expect(texts(set).count == 3)
    #expect(note(set).contains("more than 2 EndpointSlices"))
    let many = try slice("m", (0..<1200).map { pod("10.1.\($0 / 250).\($0 % 250)", "m\($0)") })
    #expect(many.members.count == EndpointSlice.maxMembers)
  }

  @Test(
    "what is odd is left out, and never the end of the process",
    arguments: [
      #"{"addresses":["not an address"]}"#, #"{"addresses":[]}"#, #"{"addresses":null}"#, #"{"addresses":"10.0.0.1"}"#,
      "{}", "null", "7", "[]", #"{"addresses":[{}]}"#, #"{"addresses":["10.0.0.1\u0000"]}"#,
    ]) func odd(_ endpoint: String) throws
  {
    var set = EndpointSliceSet()
    set.set(try slice("a", [endpoint, pod("10.0.0.9", "9")]))
    #expect(texts(set) == ["10.0.0.9:50051"])
  }

  @Test("a wrong type is as if it were not there") func wrongTypes() throws {
    let object =
      #"{"metadata":{"name":"a"},"ports":[{"port":"x"},{"port":70000},{"port":-1},7],"endpoints":{},"addressType":3}"#
    #expect(try EndpointSlice(JSONValue(parsing: object)) == EndpointSlice(name: "a", ports: [], members: []))
    let odd =
      #"{"metadata":{"name":"a"},"endpoints":[{"addresses":["10.0.0.1"],"conditions":"?","zone":7,"hints":[],"targetRef":{"name":5}}]}"#
    let slice = try EndpointSlice(JSONValue(parsing: odd))
    #expect(slice.members.count == 1 && slice.members[0].isReady && slice.members[0].pod == nil)
    let named = #"{"metadata":{"name":"a"},"addressType":"FQDN","endpoints":[{"addresses":["10.0.0.1"]}]}"#
    #expect(try EndpointSlice(JSONValue(parsing: named)).members.isEmpty)
    #expect(throws: MalformedObject.self) { try EndpointSlice(JSONValue(parsing: #"{"metadata":{}}"#)) }
  }
}
