import Testing
import VoleryLoadBalancing
import VoleryTypes

@Suite("Weighted targets (gRFC A28)") struct WeightedTargetTests {
  private func makeChannel(_ weights: [String: Int]) throws -> FakeChannel {
    try FakeChannel("weighted_target_experimental", configuration: try configuration(weights))
  }

  private func configuration(_ weights: [String: Int]) throws -> JSONValue {
    let targets = weights.map { "\"\($0)\": {\"weight\": \($1), \"childPolicy\": [{\"round_robin\": {}}]}" }
    return try JSONValue(parsing: "{\"targets\": {\(targets.joined(separator: ", "))}}")
  }

  private func update(_ channel: FakeChannel, _ names: [String]) {
    let endpoints = names.enumerated().map { index, name in
      var endpoint = Endpoint(.tcp("10.0.0.1", index + 1))
      endpoint.attributes.custom["childPath"] = name
      return endpoint
    }
    channel.run { _ = $0.update(endpoints, &$1) }
  }

  private func shares(_ channel: FakeChannel, of count: Int = 20_000) -> [Int: Double] {
    var counts: [Int: Double] = [:]
    for _ in 0..<count { if let port = channel.pickPort() { counts[port, default: 0] += 1 / Double(count) } }
    return counts
  }

  @Test("calls go to the ready ones by weight") func weights() throws {
    let channel = try makeChannel(["a": 1, "b": 3, "c": 6, "d": 0])
    update(channel, ["a", "b", "c", "d"])
    channel.makeReady([1, 2, 3])
    #expect(channel.id(4) == -1, "without a weight there is no connection")
    let all = shares(channel)
    for (port, share) in [1: 0.1, 2: 0.3, 3: 0.6] { #expect(abs(all[port]! - share) < 0.02) }
    channel.change(channel.id(3), .transientFailure, error: StatusError(.unavailable, "no"))
    let two = shares(channel)
    for (port, share) in [1: 0.25, 2: 0.75] { #expect(abs(two[port]! - share) < 0.02) }
  }

  @Test("ready before connecting before failing; one that has failed counts so until it is ready") func states() throws
  {
    let channel = try makeChannel(["a": 1, "b": 1])
    update(channel, ["a", "b"])
    #expect(channel.state == .connecting)
    channel.change(channel.id(1), .transientFailure, error: StatusError(.unavailable, "first"))
    #expect(channel.state == .connecting)
    channel.change(channel.id(2), .transientFailure, error: StatusError(.unavailable, "second"))
    #expect(channel.state == .transientFailure)
    channel.change(channel.id(1), .idle)
    #expect(channel.state == .transientFailure)
    channel.makeReady([1])
    #expect(channel.state == .ready)
  }

  @Test("new weights hold without a new connection; targets that are gone let go of theirs") func reconfigured() throws
  {
    let channel = try makeChannel(["a": 1, "b": 1])
    update(channel, ["a", "b"])
    channel.makeReady([1, 2])
    let kept = channel.id(1)
    let fresh = try LoadBalancingRegistry.builtIn["weighted_target_experimental"]!.makePolicy(
      configuration: try configuration(["a": 9, "c": 1]), context: PolicyContext(registry: .builtIn))
    let isAdopted = channel.policy.adopt(fresh)
    #expect(isAdopted)
    update(channel, ["a", "b", "c"])
    #expect(channel.id(1) == kept && channel.id(2) == -1)
    channel.makeReady([3])
    #expect(abs(shares(channel)[1]! - 0.9) < 0.02)
  }
}
