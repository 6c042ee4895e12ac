import Testing
import VoleryLoadBalancing
import VoleryTypes

@Suite("Load balancing policies") struct PolicyTests {
  static let spreading = ["rr_least_request", "round_robin", "least_request", "random"]

  @Test("every ready endpoint gets its share", arguments: ["rr_least_request", "round_robin"])
  func evenShares(_ name: String) throws {
    let channel = try FakeChannel(name)
    channel.update([1, 2, 3, 4, 5])
    channel.makeReady([1, 2, 3, 4, 5])
    var calls: [Int: Int] = [:]
    for _ in 0..<1000 { calls[try #require(channel.pickPort()), default: 0] += 1 }
    #expect(calls == [1: 200, 2: 200, 3: 200, 4: 200, 5: 200])
  }

  @Test("an answer that changes nothing leaves the ring where it is", arguments: ["rr_least_request", "round_robin"])
  func sameAnswer(_ name: String) throws {
    let channel = try FakeChannel(name)
    channel.update([1, 2, 3, 4, 5])
    channel.makeReady([1, 2, 3, 4, 5])
    var calls: [Int: Int] = [:]
    for index in 0..<1000 {
      if index % 7 == 0 { channel.update([5, 3, 1, 2, 4, 4].shuffled()) }
      calls[try #require(channel.pickPort()), default: 0] += 1
    }
    #expect(calls == [1: 200, 2: 200, 3: 200, 4: 200, 5: 200])
  }

  @Test("endpoints of a higher priority number wait until no other is ready", arguments: spreading)
  func priorities(_ name: String) throws {
    let channel = try FakeChannel(name)
    channel.run { policy, effects in
      _ = policy.update(
        [1, 2, 3].map { port in
          var endpoint = Endpoint(.tcp("10.0.0.1", port))
          endpoint.attributes.priority = port == 3 ? 20 : 10
          return endpoint
        }, &effects)
    }
    channel.makeReady([3])
    #expect(channel.pickPort() == 3)
    channel.makeReady([1, 2])
    #expect(Set((0..<200).compactMap { _ in channel.pickPort() }) == [1, 2])
    channel.change(channel.id(1), .idle)
    #expect(Set((0..<200).compactMap { _ in channel.pickPort() }) == [2])
    channel.change(channel.id(2), .idle)
    #expect(channel.pickPort() == 3)
  }

  @Test(
    "calls wait until something is ready, and fail with every address's error when nothing can be", arguments: spreading
  )
  func queueThenFail(_ name: String) throws {
    let channel = try FakeChannel(name)
    channel.update([1, 2])
    #expect(channel.state == .connecting)
    guard case .queue = channel.pick() else { return #expect(Bool(false), "not queued") }
    channel.change(channel.id(1), .transientFailure, error: StatusError(.unavailable, "one refused"))
    guard case .queue = channel.pick() else { return #expect(Bool(false), "not queued") }
    channel.change(channel.id(2), .transientFailure, error: StatusError(.unavailable, "two refused"))
    #expect(channel.state == .transientFailure)
    guard case .fail(let error) = channel.pick() else { return #expect(Bool(false), "not failed") }
    #expect(error.message.contains("10.0.0.1:1: one refused"))
    #expect(error.message.contains("10.0.0.1:2: two refused"))
    channel.change(channel.id(1), .idle)
    #expect(channel.state == .transientFailure, "failing until ready")
    channel.makeReady([1])
    #expect(channel.pickPort() == 1)
  }

  @Test("a removed endpoint gets no more calls, a new one as soon as it is ready", arguments: spreading)
  func change(_ name: String) throws {
    let channel = try FakeChannel(name)
    channel.update([1, 2])
    channel.makeReady([1, 2])
    let kept = channel.id(2)
    channel.update([2, 3])
    #expect(channel.id(1) == -1)
    #expect(channel.id(2) == kept, "the connection of an endpoint that stays lives on")
    for _ in 0..<100 { #expect(channel.pickPort() == 2) }
    channel.makeReady([3])
    #expect(Set((0..<200).compactMap { _ in channel.pickPort() }) == [2, 3])
  }

  @Test("a list that is replaced as a whole serves on until a new one is ready", arguments: spreading)
  func makeBeforeBreak(_ name: String) throws {
    let channel = try FakeChannel(name)
    channel.update([1, 2])
    channel.makeReady([1, 2])
    channel.update([3, 4])
    #expect(Set((0..<100).compactMap { _ in channel.pickPort() }) == [1, 2])
    channel.makeReady([3])
    #expect(Set((0..<100).compactMap { _ in channel.pickPort() }) == [3])
    #expect(channel.id(1) == -1)
  }

  @Test("an empty list is refused; what is connected serves on", arguments: spreading)
  func emptyList(_ name: String) throws {
    let channel = try FakeChannel(name)
    channel.update([1])
    channel.makeReady([1])
    #expect(!channel.update([]))
    #expect(channel.pickPort() == 1)
    channel.change(channel.id(1), .idle)
    guard case .fail = channel.pick() else { return #expect(Bool(false), "not failed") }
  }

  @Test("duplicates and another order change nothing", arguments: spreading) func identical(_ name: String) throws {
    let channel = try FakeChannel(name)
    channel.update([1, 2, 2, 1])
    #expect(channel.subchannels.count == 2)
    channel.makeReady([1, 2])
    let before = Set(channel.subchannels.keys)
    channel.update([2, 1])
    #expect(Set(channel.subchannels.keys) == before)
  }

  @Test("a lost connection is made again at once") func reconnect() throws {
    let channel = try FakeChannel("rr_least_request")
    channel.update([1])
    channel.makeReady([1])
    channel.change(channel.id(1), .idle)
    #expect(channel.states[channel.id(1)] == .connecting)
    #expect(channel.state == .connecting)
  }

  @Test("a server that does not answer gets out of the way") func hungServer() throws {
    let channel = try FakeChannel("rr_least_request")
    channel.update([1, 2, 3, 4, 5])
    channel.makeReady([1, 2, 3, 4, 5])
    var hung = 0
    for _ in 0..<1000 {
      guard case .pick(let subchannel) = channel.pick() else { continue }
      subchannel.callStarted()
      if subchannel.id == channel.id(3) { hung += 1 } else { subchannel.callEnded(code: .ok, origin: .peer) }
    }
    #expect(hung <= 2, "\(hung) of 1000 calls went to the server that does not answer")
  }

  @Test("a server that fails five calls in a row is left alone, probed, and taken back", arguments: spreading)
  func failingServer(_ name: String) throws {
    let channel = try FakeChannel(name)
    channel.update([1, 2, 3, 4, 5])
    channel.makeReady([1, 2, 3, 4, 5])
    let bad = try #require(channel.subchannels[channel.id(3)])
    for _ in 0..<5 {
      bad.callStarted()
      bad.callEnded(code: .unavailable, origin: .peer)
    }
    for _ in 0..<200 { #expect(channel.pickPort() != 3) }
    bad.callStarted()
    bad.callEnded(code: .ok, origin: .peer)
    #expect((0..<500).contains { _ in channel.pickPort() == 3 })
  }

  @Test("when most servers fail, all are used: the fault is elsewhere", arguments: spreading)
  func allFailing(_ name: String) throws {
    let channel = try FakeChannel(name)
    channel.update([1, 2, 3, 4])
    channel.makeReady([1, 2, 3, 4])
    for port in [1, 2, 3] {
      let bad = try #require(channel.subchannels[channel.id(port)])
      for _ in 0..<5 {
        bad.callStarted()
        bad.callEnded(code: .deadlineExceeded, origin: .local)
      }
    }
    #expect(Set((0..<500).compactMap { _ in channel.pickPort() }) == [1, 2, 3, 4])
  }

  @Test("a full connection is passed over while another one has room", arguments: ["rr_least_request", "round_robin"])
  func full(_ name: String) throws {
    let channel = try FakeChannel(name)
    channel.update([1, 2])
    channel.makeReady([1, 2])
    channel.subchannels[channel.id(1)]?.standing.setFull(true)
    for _ in 0..<20 { #expect(channel.pickPort() == 2) }
  }

  @Test(
    "whatever happens in whatever order, no call goes to what is gone", arguments: spreading, [1, 2, 3] as [UInt64])
  func randomEvents(_ name: String, _ seed: UInt64) throws {
    let channel = try FakeChannel(name, seed: seed)
    var random = SeededGenerator(state: seed)
    for _ in 0..<2000 {
      if Int.random(in: 0..<4, using: &random) == 0 {
        channel.update((1...8).filter { _ in Bool.random(using: &random) })
      } else if let id = channel.subchannels.keys.sorted().randomElement(using: &random) {
        let next: [ConnectivityState] = [.ready, .transientFailure, .idle]
        channel.change(id, next.randomElement(using: &random)!)
      }
      if case .pick(let subchannel) = channel.pick() {
        #expect(channel.states[subchannel.id] == .ready)
      }
    }
  }

  @Test("pick_first stays with its address while that is on the list") func pickFirst() throws {
    let channel = try FakeChannel("pick_first")
    channel.update([1, 2])
    #expect(channel.subchannels.count == 1)
    let id = try #require(channel.subchannels.keys.first)
    channel.change(id, .ready)
    channel.update([2, 1])
    #expect(channel.subchannels.keys.first == id)
    channel.change(id, .idle)
    #expect(channel.state == .idle)
    channel.run { $0.exitIdle(&$1) }
    #expect(channel.states[id] == .connecting)
  }

  /// How often each of three servers comes first, of 3,000 channels.
  private func firsts(_ configuration: JSONValue, weights: [UInt32?]) throws -> [Int] {
    var counts = [0, 0, 0]
    for seed in 1...3000 as ClosedRange<UInt64> {
      let channel = try FakeChannel("pick_first", seed: seed &* 0x9e37_79b9_7f4a_7c15, configuration: configuration)
      channel.run { policy, effects in
        _ = policy.update(
          weights.enumerated().map { index, weight in
            var endpoint = Endpoint(.tcp("10.0.0.1", index))
            endpoint.attributes.weight = weight
            return endpoint
          }, &effects)
      }
      let first = try #require(channel.subchannels.values.first?.endpoint.addresses.first)
      for index in 0..<3 where first == .tcp("10.0.0.1", index) { counts[index] += 1 }
    }
    return counts
  }

  @Test("pick_first keeps the list's order unless it is to shuffle") func unshuffled() throws {
    #expect(try firsts(.null, weights: [1, 2, 5]) == [3000, 0, 0])
    #expect(try firsts(.object(["shuffleAddressList": .bool(false)]), weights: [1, 2, 5]) == [3000, 0, 0])
  }

  @Test(
    "shuffled, a server comes first as often as its weight says (gRFC A113)",
    arguments: [
      ([nil, nil, nil], [1000, 1000, 1000]), ([1, 2, 5], [375, 750, 1875]), ([nil, 0, 4], [500, 500, 2000]),
    ])
  func shuffled(_ weights: [UInt32?], _ expected: [Int]) throws {
    let counts = try firsts(.object(["shuffleAddressList": .bool(true)]), weights: weights)
    for (count, expected) in zip(counts, expected) {
      #expect(abs(count - expected) < 110, "four standard deviations at most: \(counts)")
    }
  }

  @Test("families alternate, starting with the first one's") func interleaving() {
    let v4 = (1...3).map { SocketAddress.tcp("10.0.0.\($0)", 1) }
    let v6 = (1...2).map { SocketAddress.tcp("::\($0)", 1) }
    #expect(PickFirstPolicy.interleave(v6 + v4 + v4) == [v6[0], v4[0], v6[1], v4[1], v4[2]])
  }

  @Test("least_request checks its configuration") func leastRequestConfiguration() {
    #expect(throws: PolicyConfigurationError.self) {
      try FakeChannel("least_request", configuration: .object(["choiceCount": .number("1")]))
    }
  }
}

struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ (state >> 31)
  }
}
