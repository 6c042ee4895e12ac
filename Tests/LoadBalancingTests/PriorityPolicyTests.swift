import Testing
import VoleryLoadBalancing
import VoleryTypes

@Suite("Priorities (gRFC A56)") struct PriorityPolicyTests {
  static let child = #"{"config": [{"round_robin": {}}]}"#

  static func configuration(_ names: [String], priorities: [String]? = nil) throws -> JSONValue {
    let children = names.map { "\"\($0)\": \(child)" }.joined(separator: ", ")
    let list = (priorities ?? names).map { "\"\($0)\"" }.joined(separator: ", ")
    return try JSONValue(parsing: "{\"children\": {\(children)}, \"priorities\": [\(list)]}")
  }

  private func makeChannel(_ names: [String]) throws -> FakeChannel {
    try FakeChannel("priority_experimental", configuration: try Self.configuration(names))
  }

  /// Ports 1, 2 ... for the names in their order.
  private func update(_ channel: FakeChannel, _ names: [String]) {
    channel.run { _ = $0.update(names.enumerated().map { endpoint($1, port: $0 + 1) }, &$1) }
  }

  private func endpoint(_ path: String, port: Int) -> Endpoint {
    var endpoint = Endpoint(.tcp("10.0.0.1", port))
    endpoint.attributes.childPath = path.split(separator: "/").map(String.init)
    return endpoint
  }

  @Test("children are made one after the other, as they are needed") func lazy() throws {
    let channel = try makeChannel(["a", "b", "c"])
    update(channel, ["a", "b", "c"])
    #expect(channel.id(1) != -1 && channel.id(2) == -1)
    #expect(channel.state == .connecting)
    channel.change(channel.id(1), .transientFailure, error: StatusError(.unavailable, "no"))
    #expect(channel.id(2) != -1 && channel.id(3) == -1, "the next one, at once")
    channel.makeReady([2])
    #expect(channel.pickPort() == 2 && channel.state == .ready)
  }

  @Test("one that does not connect is given ten seconds, and is used once it is there") func failover() throws {
    let channel = try makeChannel(["a", "b"])
    update(channel, ["a", "b"])
    channel.time = .milliseconds(9_999)
    #expect(channel.id(2) == -1)
    channel.time = .milliseconds(10_000)
    channel.makeReady([2])
    #expect(channel.pickPort() == 2)
    channel.makeReady([1])
    #expect(channel.pickPort() == 1, "a higher one that is ready serves at once")
  }

  @Test("a lower one lives on for a quarter of an hour, unless it is needed again") func retention() throws {
    let channel = try makeChannel(["a", "b"])
    update(channel, ["a", "b"])
    channel.change(channel.id(1), .transientFailure, error: StatusError(.unavailable, "no"))
    channel.makeReady([2])
    let lower = channel.id(2)
    channel.makeReady([1])
    channel.time = .seconds(899)
    #expect(channel.id(2) == lower)
    channel.change(channel.id(1), .transientFailure, error: StatusError(.unavailable, "no"))
    #expect(channel.pickPort() == 2, "and serves without a new connection")
    channel.time = .seconds(2000)
    #expect(channel.id(2) == lower, "it is in use")
    channel.makeReady([1])
    channel.time = .seconds(2900)
    #expect(channel.id(2) == -1)
    #expect(channel.pickPort() == 1)
  }

  @Test("a connection that is lost is waited for, ten seconds") func reconnecting() throws {
    let channel = try makeChannel(["a", "b"])
    update(channel, ["a", "b"])
    channel.makeReady([1])
    channel.change(channel.id(1), .idle)
    #expect(channel.state == .connecting && channel.id(2) == -1)
    channel.time = .seconds(10)
    #expect(channel.id(2) != -1)
  }

  @Test("without any that can serve the last one's error is told") func allFail() throws {
    let channel = try makeChannel(["a", "b"])
    update(channel, ["a", "b"])
    channel.change(channel.id(1), .transientFailure, error: StatusError(.unavailable, "first"))
    channel.change(channel.id(2), .transientFailure, error: StatusError(.unavailable, "second"))
    guard case .fail(let error) = channel.pick() else { return #expect(Bool(false)) }
    #expect(channel.state == .transientFailure && error.message.contains("second"))
  }

  @Test("a new configuration keeps children by name, wherever they stand now") func reconfigured() throws {
    let channel = try makeChannel(["a", "b"])
    update(channel, ["a", "b"])
    channel.makeReady([1])
    let kept = channel.id(1)
    let context = PolicyContext(registry: .builtIn)
    let fresh = try LoadBalancingRegistry.builtIn["priority_experimental"]!.makePolicy(
      configuration: try Self.configuration(["x", "a"]), context: context)
    let isAdopted = channel.policy.adopt(fresh)
    #expect(isAdopted)
    channel.run { _ = $0.update([endpoint("a", port: 1), endpoint("x", port: 9)], &$1) }
    #expect(channel.id(1) == kept && channel.pickPort() == 1, "make before break")
    channel.makeReady([9])
    #expect(channel.pickPort() == 9)
    #expect(channel.id(1) == kept)
  }

  @Test("a child of another kind takes over without a gap") func otherChild() throws {
    let channel = try makeChannel(["a"])
    update(channel, ["a"])
    channel.makeReady([1])
    let old = channel.id(1)
    let json = #"{"children": {"a": {"config": [{"random": {}}]}}, "priorities": ["a"]}"#
    let fresh = try LoadBalancingRegistry.builtIn["priority_experimental"]!.makePolicy(
      configuration: try JSONValue(parsing: json), context: PolicyContext(registry: .builtIn))
    let isAdopted = channel.policy.adopt(fresh)
    #expect(isAdopted)
    update(channel, ["a"])
    #expect(channel.pickPort() == 1 && channel.subchannels.count == 2)
    let new = channel.subchannels.keys.first { $0 != old }!
    channel.change(new, .ready)
    #expect(channel.subchannels.count == 1 && channel.state == .ready)
  }

  @Test("paths lead down the tree") func tree() throws {
    let target =
      #"{"weighted_target_experimental": {"targets": {"x": {"weight": 1, "childPolicy": [{"round_robin": {}}]}}}}"#
    let json = "{\"children\": {\"a\": {\"config\": [\(target)]}}, \"priorities\": [\"a\"]}"
    let channel = try FakeChannel("priority_experimental", configuration: try JSONValue(parsing: json))
    channel.run { _ = $0.update([endpoint("a/x", port: 1), endpoint("a/y", port: 2), endpoint("b/x", port: 3)], &$1) }
    channel.makeReady([1])
    #expect(channel.pickPort() == 1 && channel.subchannels.count == 1)
  }

  @Test("no priorities: calls fail, and the text says why") func empty() throws {
    let channel = try makeChannel([])
    update(channel, [])
    guard case .fail(let error) = channel.pick() else { return #expect(Bool(false)) }
    #expect(error.message.contains("empty list of priorities"))
  }
}
