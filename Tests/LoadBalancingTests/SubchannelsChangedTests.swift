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
