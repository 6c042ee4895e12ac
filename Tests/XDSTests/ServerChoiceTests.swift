import Testing
import VoleryTypes
import VoleryWellKnownTypes
import VoleryXDS

@Suite("Which control plane is asked") struct ServerChoiceTests {
  @Test("the next one is asked when one can't be reached and something is missing, and none after the one that answers")
  func fallsBack() {
    var choice = ServerChoice(count: 3)
    #expect(choice.failed(0, isMissing: false) == .stay)
    #expect(choice.failed(0, isMissing: true) == .begin(1))
    #expect(choice.failed(0, isMissing: true) == .stay)
    #expect(choice.failed(1, isMissing: true) == .begin(2))
    #expect(choice.failed(2, isMissing: true) == .exhausted)
    choice.heard(1)
    #expect(choice.reach == 1)
    // The second has been heard; that the third has failed counts no more.
    #expect(choice.failed(2, isMissing: true) == .stay)
    #expect(choice.failed(1, isMissing: true) == .begin(2))
    choice.heard(0)
    #expect(choice.reach == 0)
    #expect(choice.wanted() == nil)
  }

  @Test("what is wanted while one can't be reached has the next one asked") func wants() {
    var choice = ServerChoice(count: 2)
    #expect(choice.wanted() == nil)
    #expect(choice.failed(0, isMissing: false) == .stay)
    #expect(choice.wanted() == 1)
    #expect(choice.wanted() == nil)
  }

  @Test(
    "the parameters of a name have no order",
    arguments: [
      ("orders?b=1&a=2", "orders?b=1&a=2"), ("xdstp://x/t/orders?b=1&a=2", "xdstp://x/t/orders?a=2&b=1"),
      ("xdstp://x/t/orders?", "xdstp://x/t/orders"), ("xdstp://x/t/orders?b=1&&a=2#f", "xdstp://x/t/orders?a=2&b=1#f"),
    ])
  func names(_ name: String, _ canonical: String) { #expect(ResourceName.canonical(name) == canonical) }

  @Test("a target's name is encoded as a part of a path") func encoded() {
    #expect(ResourceName.encoded("orders/east: 1ü") == "orders/east:%201%C3%BC")
  }

  @Test(
    "a name says whose it is",
    arguments: [
      ("orders", nil), ("xdstp://shop/t/orders", "shop"), ("xdstp:///t/orders", ""), ("xdstp:orders", nil),
      ("xdstp://shop", "shop"),
    ] as [(String, String?)])
  func authorities(_ name: String, _ authority: String?) { #expect(ResourceName.authority(of: name) == authority) }
}

/// What those who look from outside see (gRFC A40), and what another control plane is asked.
@Suite("What is known of resources") struct ResourceDumpTests {
  private static func cluster(_ name: String, isGood: Bool = true) throws -> ReadResource {
    var wire = WireCluster()
    wire.name = name
    wire.clusterDiscoveryType = .type(isGood ? .eds : .static)
    wire.edsClusterConfig = WireCluster.EdsClusterConfig(
      edsConfig: WireConfigSource(configSourceSpecifier: .ads(WireAggregatedConfigSource())))
    return ReadResource(try Google_Protobuf_Any(packing: wire), .cluster)
  }

  @Test("each with its version; what was refused with the reason, beside what holds; what went is gone") func dump()
    throws
  {
    var machine = ADSMachine()
    let now = ContinuousClock.now
    machine.want([ResourceKey(.cluster, "a"), ResourceKey(.cluster, "b"), ResourceKey(.endpoints, "a")], now: now)
    machine.connected(now: now)
    #expect(machine.isMissing)
    let first = Google_Protobuf_Timestamp(seconds: 1, nanos: 0)
    machine.received(
      .init(.cluster, version: "1", nonce: "n1", resources: [try Self.cluster("a"), try Self.cluster("b")]), at: first)
    let second = Google_Protobuf_Timestamp(seconds: 2, nanos: 0)
    machine.received(
      .init(.cluster, version: "2", nonce: "n2", resources: [try Self.cluster("a", isGood: false)]), at: second)
    let dump = machine.dump
    #expect(dump.map(\.key.name) == ["a", "b", "a"])
    #expect(dump.map(\.standing) == [.refused, .doesNotExist, .requested])
    #expect(dump[0].version == "1")
    #expect(dump[0].updated == first)
    #expect(dump[0].content == (try Self.cluster("a").content))
    #expect(dump[0].refusal?.version == "2")
    #expect(dump[0].refusal?.at == second)
    #expect(dump[0].refusal?.reason.contains("type: ") == true)
    #expect(dump[1].content == nil)
    // Another server knows nothing of this one's versions.
    machine.disconnected(nil)
    _ = machine.takeActions()
    machine.connected(now: now, isSameServer: false)
    guard case .send(let request)? = machine.takeActions().first else {
      Issue.record("nothing is sent")
      return
    }
    #expect(request.version == "")
    #expect(request.names == ["a", "b"])
  }
}
