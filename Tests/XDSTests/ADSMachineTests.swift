import Testing
import VoleryTypes
import VoleryWellKnownTypes
import VoleryXDS

/// The stream's rules, without a stream.
@Suite("The state of a stream of discovery") struct ADSMachineTests {
  static let now = ContinuousClock.now

  private static func cluster(_ name: String, isGood: Bool = true) throws -> ReadResource {
    var wire = WireCluster()
    wire.name = name
    wire.clusterDiscoveryType = .type(isGood ? .eds : .static)
    wire.edsClusterConfig = WireCluster.EdsClusterConfig(
      edsConfig: WireConfigSource(configSourceSpecifier: .ads(WireAggregatedConfigSource())))
    return ReadResource(try Google_Protobuf_Any(packing: wire), .cluster)
  }

  private static func request(
    _ names: [String], version: String = "", nonce: String = "", error: String? = nil
  ) -> ADSMachine.Action {
    .send(ADSMachine.Request(type: .cluster, names: names, version: version, nonce: nonce, error: error))
  }

  private static func key(_ name: String) -> ResourceKey { ResourceKey(.cluster, name) }

  private static func machine(_ names: Set<String>) -> ADSMachine {
    var machine = ADSMachine()
    machine.connected(now: now)
    machine.want(Set(names.map(key)), now: now)
    _ = machine.takeActions()
    return machine
  }

  @Test("what is wanted is sent with all its names, and an answer is accepted with its version and nonce")
  func accepts()
    throws
  {
    var machine = ADSMachine()
    machine.want([Self.key("b"), Self.key("a")], now: Self.now)
    #expect(machine.takeActions() == [])
    machine.connected(now: Self.now)
    #expect(machine.takeActions() == [Self.request(["a", "b"])])
    machine.received(.init(.cluster, version: "7", nonce: "n1", resources: [try Self.cluster("a")]))
    #expect(machine.takeActions() == [.changed(Self.key("a")), Self.request(["a", "b"], version: "7", nonce: "n1")])
    guard case .known = machine.view(Self.key("a")) else {
      Issue.record("\(machine.view(Self.key("a")))")
      return
    }
    #expect(machine.view(Self.key("b")) == .waiting)
  }

  @Test("a resource that is wrong is refused by name and field with the old version; the good ones beside it count")
  func refuses() throws {
    var machine = Self.machine(["a", "b"])
    machine.received(.init(.cluster, version: "1", nonce: "n1", resources: [try Self.cluster("a")]))
    _ = machine.takeActions()
    machine.received(
      .init(
        .cluster, version: "2", nonce: "n2",
        resources: [try Self.cluster("a", isGood: false), try Self.cluster("b")]))
    let actions = machine.takeActions()
    guard case .send(let request)? = actions.last else {
      Issue.record("\(actions)")
      return
    }
    #expect(request.version == "1")
    #expect(request.nonce == "n2")
    #expect(request.error?.contains("the cluster \"a\": type: ") == true, "\(request.error ?? "")")
    guard case .known = machine.view(Self.key("a")), case .known = machine.view(Self.key("b")) else {
      Issue.record("\(machine.view(Self.key("a"))), \(machine.view(Self.key("b")))")
      return
    }
  }

  @Test("what does not come within 15 s does not exist; before, it is waited for") func limit() {
    var machine = Self.machine(["a"])
    machine.expire(now: Self.now.advanced(by: .milliseconds(14_999)))
    #expect(machine.takeActions() == [])
    machine.expire(now: Self.now.advanced(by: .seconds(15)))
    #expect(machine.takeActions() == [.changed(Self.key("a"))])
    guard case .failed(let error) = machine.view(Self.key("a")) else {
      Issue.record("\(machine.view(Self.key("a")))")
      return
    }
    #expect(error.message.contains("the cluster \"a\" does not exist"))
  }

  @Test(
    "a response leaves out what has been deleted; with ignore_resource_deletion that stays", arguments: [false, true])
  func deletion(_ keeps: Bool) throws {
    var machine = ADSMachine(keepsDeleted: keeps)
    machine.connected(now: Self.now)
    machine.want([Self.key("a")], now: Self.now)
    machine.received(.init(.cluster, version: "1", nonce: "n1", resources: [try Self.cluster("a")]))
    machine.received(.init(.cluster, version: "2", nonce: "n2", resources: []))
    if case .known = machine.view(Self.key("a")) { #expect(keeps) } else { #expect(!keeps) }
  }

  @Test("a lost stream keeps what was accepted, and the next one begins with its version and no nonce")
  func reconnects()
    throws
  {
    var machine = Self.machine(["a", "b"])
    machine.received(.init(.cluster, version: "1", nonce: "n1", resources: [try Self.cluster("a")]))
    machine.disconnected(StatusError(.unavailable, "gone"))
    guard case .known = machine.view(Self.key("a")) else {
      Issue.record("\(machine.view(Self.key("a")))")
      return
    }
    #expect(machine.view(Self.key("b")) == .failed(StatusError(.unavailable, "gone")))
    _ = machine.takeActions()
    machine.connected(now: Self.now)
    #expect(machine.takeActions() == [Self.request(["a", "b"], version: "1")])
  }

  @Test("bytes that are no message, and a type that is another one, are refused without a name") func garbage() {
    let garbage = Google_Protobuf_Any(typeURL: XDSResourceType.cluster.typeURL, value: [0xFF, 0xFF])
    #expect(ReadResource(garbage, .cluster).name == nil)
    let other = Google_Protobuf_Any(typeURL: "type.googleapis.com/a.B", value: [])
    #expect(ReadResource(other, .cluster).name == nil)
    var machine = Self.machine(["a"])
    machine.received(.init(.cluster, version: "1", nonce: "n1", resources: [ReadResource(garbage, .cluster)]))
    guard case .send(let request)? = machine.takeActions().last else { return }
    #expect(request.version == "")
    #expect(request.error?.hasPrefix("resources[0]: ") == true, "\(request.error ?? "")")
  }
}
