import Testing
import VoleryLoadBalancing
import VoleryTypes

@Suite("Calls stay in their zone") struct ZoneAwareTests {
  private func makeChannel(_ json: String = #"{"zone": "a", "childPolicy": [{"round_robin": {}}]}"#) throws
    -> FakeChannel
  {
    try FakeChannel("zone_aware", configuration: try JSONValue(parsing: json))
  }

  /// Ports from 1 on, in zones as given.
  private func update(_ channel: FakeChannel, _ zones: [String?]) {
    let endpoints = zones.enumerated().map { index, zone in
      var endpoint = Endpoint(.tcp("10.0.0.1", index + 1))
      endpoint.attributes.zone = zone
      return endpoint
    }
    channel.run { _ = $0.update(endpoints, &$1) }
    for id in channel.subchannels.keys.sorted() where channel.states[id] == .connecting { channel.change(id, .ready) }
  }

  private func shares(_ channel: FakeChannel) -> [Int: Double] {
    var counts: [Int: Double] = [:]
    for _ in 0..<6000 { if let port = channel.pickPort() { counts[port, default: 0] += 1 / 6000.0 } }
    return counts
  }

  @Test(
    "three zones alike: all calls stay; and nine of ten at least while the zone has a third of the servers, give or take a fifth"
  )
  func stays() throws {
    let channel = try makeChannel()
    update(channel, ["a", "a", "a", "b", "b", "b", "c", "c", "c"])
    let even = shares(channel)
    #expect(even.keys.sorted() == [1, 2, 3])
    for share in even.values { #expect(abs(share - 1.0 / 3) < 0.01) }
    for part in [0.8 / 3, 1.0 / 3, 1.2 / 3] {
      #expect(ZoneSplit.localPart(of: .init(own: part, others: 1 - part, zones: 3)) >= 0.9)
    }
  }

  @Test("one server of nine in the zone gets no more than a quarter above the mean of all clients' calls")
  func overflow() throws {
    let channel = try makeChannel()
    update(channel, ["a", "b", "b", "b", "b", "c", "c", "c", "c"])
    let all = shares(channel)
    // A third of all calls comes from this zone: 0.4167 of that is 1.25 times a ninth of all.
    #expect(abs(all[1]! - 1.25 / 3) < 0.01)
    for port in 2...9 { #expect(abs(all[port]! - (1 - 1.25 / 3) / 8) < 0.01, "the rest in proportion") }
  }

  @Test("servers of the zone that fail send their part elsewhere; none left, all goes; back again, all stays")
  func spill() throws {
    let channel = try makeChannel()
    update(channel, ["a", "a", "b", "b"])
    #expect(shares(channel).keys.sorted() == [1, 2])
    channel.change(channel.id(1), .transientFailure, error: StatusError(.unavailable, "no"))
    // One of three that are ready, where the zone has half of the clients.
    #expect(abs(shares(channel)[2]! - 1.25 * 2 / 3) < 0.01)
    channel.change(channel.id(2), .transientFailure, error: StatusError(.unavailable, "no"))
    #expect(shares(channel).keys.sorted() == [3, 4])
    channel.change(channel.id(1), .ready)
    channel.change(channel.id(2), .ready)
    #expect(shares(channel).keys.sorted() == [1, 2])
  }

  @Test("the zone's servers are gone from the list: the others serve, and theirs are let go") func gone() throws {
    let channel = try makeChannel()
    update(channel, ["a", "b"])
    channel.run { _ = $0.update([Self.endpoint("b", 2)], &$1) }
    #expect(shares(channel).keys.sorted() == [2] && channel.subchannels.count == 1)
    channel.run { _ = $0.update([Self.endpoint("a", 3), Self.endpoint("b", 2)], &$1) }
    #expect(channel.pickPort() == 2, "until the zone's own is ready")
    channel.makeReady([3])
    #expect(shares(channel).keys.sorted() == [3])
  }

  @Test("without a zone of one's own all servers are alike") func unknown() throws {
    let channel = try makeChannel(#"{"zone": "", "childPolicy": [{"round_robin": {}}]}"#)
    update(channel, ["a", "b", nil])
    #expect(shares(channel).count == 3)
  }

  private static func endpoint(_ zone: String, _ port: Int) -> Endpoint {
    var endpoint = Endpoint(.tcp("10.0.0.1", port))
    endpoint.attributes.zone = zone
    return endpoint
  }
}
