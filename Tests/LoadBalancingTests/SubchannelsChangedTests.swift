import Testing
import VoleryLoadBalancing
import VoleryTypes

/// Changes of many subchannels that a policy hears of at once come to the same as one after another, for less.
@Suite("Many subchannels' changes at once") struct SubchannelsChangedTests {
  static let policies = [
    "{\"round_robin\": {}}", "{\"rr_least_request\": {}}", "{\"weighted_round_robin\": {}}", "{\"peak_ewma\": {}}",
    "{\"outlier_detection\": {\"childPolicy\": [{\"round_robin\": {}}]}}",
    "{\"slow_start\": {\"childPolicy\": [{\"round_robin\": {}}]}}",
    "{\"zone_aware\": {\"zone\": \"a\", \"childPolicy\": [{\"round_robin\": {}}]}}",
    "{\"sticky_session\": {\"cookie\": \"server\", \"childPolicy\": [{\"round_robin\": {}}]}}",
    """
    {"priority_experimental": {"priorities": ["p"], "children": {"p": {"config": [{"weighted_target_experimental":
    {"targets": {"x": {"weight": 1, "childPolicy": [{"round_robin": {}}]}, "y": {"weight": 1, "childPolicy": [{"round_robin": {}}]}}}}]}}}}
    """,
  ]
  private static let ports = Array(1...40)

  private func channel(_ json: String) throws -> FakeChannel {
    let config = try ServiceConfig(json: "{\"loadBalancingConfig\": [\(json)]}").loadBalancing[0]
    let channel = try FakeChannel(config.name, configuration: config.configuration)
    let endpoints = Self.ports.map { port in
      var endpoint = Endpoint(.tcp("10.0.0.1", port))
      endpoint.attributes.zone = port % 8 == 2 ? "a" : "b"
      endpoint.attributes.childPath = ["p", port % 2 == 0 ? "x" : "y"]
      return endpoint
    }
    channel.run { _ = $0.update(endpoints, &$1) }
    return channel
  }

  private func ports(_ channel: FakeChannel) -> Set<Int> {
    Set((0..<2000).compactMap { _ in channel.pickPort() })
  }

  @Test("all become ready: one picker, with all of them", arguments: policies) func ready(policy: String) throws {
    let (one, all) = (try channel(policy), try channel(policy))
    one.makeReady(Self.ports)
    let before = all.publications
    all.change(Self.ports.map { SubchannelChange(all.id($0), to: .ready) })
    #expect(all.publications == before + 1)
    #expect(all.state == .ready)
    #expect(ports(one) == Set(Self.ports))
    #expect(ports(all) == Set(Self.ports))
  }

  @Test(
    "half are lost, some twice, one comes back: the rest gets the calls, and all are connected anew",
    arguments: policies)
  func lost(policy: String) throws {
    let channel = try channel(policy)
    channel.makeReady(Self.ports)
    let before = channel.publications
    let lost = Self.ports.filter { $0 % 4 < 2 }
    var changes = lost.map { SubchannelChange(channel.id($0), to: .idle) }
    changes += lost.prefix(3).map { SubchannelChange(channel.id($0), to: .connecting) }
    changes.append(SubchannelChange(channel.id(lost[0]), to: .ready))
    channel.change(changes)
    #expect(channel.publications == before + 1)
    #expect(ports(channel) == Set(Self.ports).subtracting(lost.dropFirst()))
    #expect(lost.dropFirst(3).allSatisfy { channel.states[channel.id($0)] == .connecting })
  }

  @Test("one that fails while others are ready makes no new picker", arguments: ["round_robin", "rr_least_request"])
  func failing(policy: String) throws {
    let channel = try FakeChannel(policy)
    channel.update([1, 2, 3])
    channel.makeReady([1, 2])
    let before = channel.publications
    channel.change(channel.id(3), .transientFailure, error: StatusError(.unavailable, "refused"))
    channel.change(channel.id(3), .idle)
    #expect(channel.publications == before)
    channel.change(channel.id(1), .idle)
    channel.change(channel.id(2), .transientFailure, error: StatusError(.unavailable, "reset"))
    #expect(channel.state == .connecting)
    channel.change(channel.id(1), .transientFailure, error: StatusError(.unavailable, "gone"))
    #expect(channel.state == .transientFailure)
  }

  @Test("what a policy that hears of one after another gives up meanwhile, it is not told of") func givenUp() throws {
    struct Removing: LoadBalancingPolicy {
      var ids: [Int] = []
      var told: [Int] = []

      mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
        ids = endpoints.map { effects.subchannel(for: $0).id }
        effects.publish(.connecting, QueueingPicker())
        return true
      }
      mutating func subchannelChanged(
        _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
      ) {
        told.append(id)
        if id == ids[0] { effects.remove(ids[1]) }
      }
      mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
    }
    let channel = FakeChannel(Removing())
    channel.update([1, 2, 3])
    let ids = [1, 2, 3].map(channel.id)
    channel.change(ids.map { SubchannelChange($0, to: .connecting) })
    #expect((channel.policy as? Removing)?.told == [ids[0], ids[2]])
  }
}

/// What a policy with very many servers does not do for each of them.
@Suite("What changes cost with many servers") struct ChangeCostTests {
  private static let ports = Array(1...200)

  @Test(
    "while none is ready, calls are told once that they wait, and once of each failure",
    arguments: ["round_robin", "rr_least_request", "weighted_round_robin", "peak_ewma"])
  func told(policy: String) throws {
    let channel = try FakeChannel(policy)
    channel.update(Self.ports)
    #expect(channel.publications == 1 && channel.state == .connecting)
    for port in Self.ports { channel.change(channel.id(port), .connecting) }
    #expect(channel.publications == 1)
    let refused = StatusError(.unavailable, "refused")
    for port in Self.ports.dropLast() { channel.change(channel.id(port), .transientFailure, error: refused) }
    #expect(channel.publications == 1, "one may still connect")
    channel.change(channel.id(200), .transientFailure, error: refused)
    #expect(channel.publications == 2 && channel.state == .transientFailure)
    // From the ninth on they are not named.
    for port in Self.ports.dropFirst(8) { channel.change(channel.id(port), .transientFailure, error: refused) }
    #expect(channel.publications == 2)
    channel.change(channel.id(1), .transientFailure, error: StatusError(.unavailable, "reset"))
    #expect(channel.publications == 3)
    channel.makeReady([5])
    #expect(channel.publications == 4 && channel.state == .ready)
    channel.change(channel.id(5), .idle)
    #expect(channel.publications == 5 && channel.state == .connecting)
    // The resolver's answers are answered, changed or not.
    channel.update(Self.ports)
    #expect(channel.publications == 6)
  }

  /// Counts how often keys are looked up.
  private struct Key: Hashable {
    nonisolated(unsafe) static var lookups = 0
    let number: Int

    func hash(into hasher: inout Hasher) {
      Key.lookups += 1
      hasher.combine(number)
    }
  }

  @Test("a change is told to the child that it concerns; the others are looked through once")
  func children() throws {
    var children = PolicyChildren<Key>()
    var made: [Int: Endpoint] = [:]
    var effects = PolicyEffects { endpoint in
      made[made.count + 1] = endpoint
      return Subchannel(id: made.count, endpoint: endpoint, connection: Nothing())
    }
    let context = PolicyContext(registry: .builtIn)
    for number in 0..<100 {
      let policy = try LoadBalancingRegistry.builtIn["round_robin"]!.makePolicy(configuration: .null, context: context)
      children.add(policy, name: "\(number)", for: Key(number: number), &effects)
      children.with(Key(number: number)) { _ = $0.update([Endpoint(.tcp("10.0.0.1", number + 1))], &effects) }
    }
    #expect(made.count == 100)
    let all = (1...100).map { SubchannelChange($0, to: .ready) }
    #expect(children.subchannelsChanged(all, &effects))
    #expect((0..<100).allSatisfy { children[Key(number: $0)]?.state == .ready })
    for state in [ConnectivityState.idle, .connecting, .ready] {
      Key.lookups = 0
      #expect(children.subchannelsChanged([SubchannelChange(42, to: state)], &effects))
      #expect(Key.lookups < 10, "\(Key.lookups) of 100 children")
      let child = try #require(children[Key(number: 41)])
      #expect(child.state == (state == .ready ? .ready : .connecting))
    }
    #expect(!children.subchannelsChanged([SubchannelChange(4711, to: .ready)], &effects))
    #expect(children.subchannelChanged(42, to: .idle, error: nil, &effects) == Key(number: 41))
    // What is gone is nobody's.
    children.remove(Key(number: 41), &effects)
    #expect(!children.subchannelsChanged([SubchannelChange(42, to: .ready)], &effects))
  }

  @Test("of a list that has changed in one place, one place is looked at")
  func lists() {
    var list = EndpointList()
    var endpoints = (1...10_000).map { Endpoint(.tcp("10.0.0.1", $0)) }
    var change = list.replace(with: endpoints)
    #expect(change.new.count == 10_000 && change.gone.isEmpty)
    change = list.replace(with: endpoints)
    #expect(change.new.isEmpty && change.gone.isEmpty)
    endpoints[4711] = Endpoint(.tcp("10.0.0.2", 1))
    change = list.replace(with: endpoints)
    #expect(
      Array(change.new) == [Endpoint(.tcp("10.0.0.2", 1))] && Array(change.gone) == [Endpoint(.tcp("10.0.0.1", 4712))])
    endpoints.remove(at: 9_000)
    change = list.replace(with: endpoints)
    #expect(change.new.isEmpty && change.gone.count == 1)
    endpoints.insert(endpoints[5], at: 5)
    change = list.replace(with: endpoints)
    #expect(change.new.count == 1 && change.gone.isEmpty)
    change = list.replace(with: [])
    #expect(change.new.isEmpty && change.gone.count == 10_000)
  }

  @Test("a server that is listed twice stays known to outlier detection until it is listed no more")
  func twice() throws {
    let json = try JSONValue(
      parsing: """
        {"childPolicy": [{"round_robin": {}}], "maxEjectionPercent": 50, "interval": "1s", "baseEjectionTime": "600s",
         "maxEjectionTime": "600s", "failurePercentageEjection": {"threshold": 50, "minimumHosts": 1, "requestVolume": 1}}
        """)
    let channel = try FakeChannel("outlier_detection", configuration: json)
    channel.update([1, 2, 3])
    channel.makeReady([1, 2, 3])
    func fail() {
      for port in 1...3 {
        let code: StatusCode = port == 2 ? .unavailable : .ok
        channel.ended([CallReport(subchannel: channel.id(port), code: code, origin: .peer, duration: .milliseconds(1))])
      }
    }
    fail()
    channel.time = .seconds(2)
    func used() -> Set<Int> { Set((0..<30).compactMap { _ in channel.pickPort() }) }
    #expect(used() == [1, 3])
    channel.update([2, 1, 2, 3])
    #expect(used() == [1, 3])
    channel.update([1, 3, 2])
    #expect(used() == [1, 3], "it has only moved")
    channel.update([1, 3])
    channel.update([1, 2, 3])
    channel.makeReady([2])
    #expect(used() == [1, 2, 3], "forgotten while it was away")
  }
}

private final class Nothing: Sendable {}
