import Testing
import VoleryLoadBalancing
import VoleryTypes

/// Weights that a resolver brings (SRV, a file, xDS), in every policy that spreads calls.
@Suite("Weights of endpoints") struct WeightTests {
  static let policies = ["rr_least_request", "round_robin", "least_request", "random"]

  /// - Parameter weights: Of the endpoints at the ports 1, 2, 3 ...; nil: none is given.
  private static func endpoints(_ weights: [UInt32?]) -> [Endpoint] {
    weights.enumerated().map { index, weight in
      var endpoint = Endpoint(.tcp("10.0.0.1", index + 1))
      endpoint.attributes.weight = weight
      return endpoint
    }
  }

  private static func channel(_ policy: String, _ weights: [UInt32?]) throws -> FakeChannel {
    let channel = try FakeChannel(policy, seed: 5)
    channel.run { _ = $0.update(endpoints(weights), &$1) }
    channel.makeReady(Array(1...weights.count))
    return channel
  }

  /// Calls that end at once.
  private static func counts(_ channel: FakeChannel, _ calls: Int) -> [Int: Int] {
    var counts: [Int: Int] = [:]
    for _ in 0..<calls { counts[channel.pickPort() ?? -1, default: 0] += 1 }
    return counts
  }

  @Test("1 to 2 to 3 gives these shares, within 2 %", arguments: policies) func shares(_ policy: String) throws {
    let counts = Self.counts(try Self.channel(policy, [1, 2, 3]), 60_000)
    for port in 1...3 {
      let share = Double(counts[port] ?? 0) / Double(10_000 * port)
      #expect(abs(share - 1) <= 0.02, "\(policy): \(counts)")
    }
  }

  @Test("the policies that take turns give the shares exactly, from the first calls on", arguments: policies.prefix(2))
  func exact(_ policy: String) throws {
    let counts = Self.counts(try Self.channel(policy, [1, 2, 3]), 60)
    for port in 1...3 { #expect(abs((counts[port] ?? 0) - 10 * port) <= 1, "\(counts)") }
  }

  @Test("calls of some length don't shift the default's shares, and a slow server still loses its calls")
  func underLoad() throws {
    func counts(slow: Int? = nil, judged: Bool = true) throws -> [Int: Int] {
      let channel = try Self.channel("rr_least_request", [1, 2, 3])
      var random = SeededGenerator(state: 3)
      var counts: [Int: Int] = [:]
      var running: [(start: Double, end: Double, subchannel: Subchannel)] = []
      for number in 0..<30_000 {
        // In milliseconds.
        let now = Double(number)
        channel.time = .milliseconds(number)
        for index in running.indices.reversed() where running[index].end <= now {
          let call = running.remove(at: index)
          call.subchannel.callEnded(code: .ok, origin: .peer)
          let nanoseconds = Int64((call.end - call.start) * 1e6)
          if judged { _ = call.subchannel.unaryCallEnded(method: 1, nanoseconds: nanoseconds, code: .ok) }
        }
        let subchannel = try #require(channel.pick().subchannel)
        subchannel.callStarted()
        guard case .tcp(_, let port)? = subchannel.endpoint.addresses.first else { continue }
        counts[port, default: 0] += 1
        running.append((now, now + Double(2 + random.next() % 10) * (port == slow ? 20 : 1), subchannel))
      }
      return counts
    }
    let even = try counts()
    for port in 1...3 { #expect(abs(Double(even[port] ?? 0) / Double(5000 * port) - 1) <= 0.02, "\(even)") }
    let avoided = try counts(slow: 3, judged: false)
    #expect(
      (avoided[3] ?? 0) < 9000, "its calls outstanding keep others off; it would have 15,000 by its weight: \(avoided)")
    let ejected = try counts(slow: 3)
    #expect((ejected[3] ?? 0) < 1000, "it is ejected, and probed: \(ejected)")
  }

  @Test("equal weights are no weights, whatever their size: one after the other") func equal() throws {
    for weights in [[7, 7, 7], [nil, nil, nil], [1, nil, 1], [0, 0, 0]] as [[UInt32?]] {
      let channel = try Self.channel("round_robin", weights)
      let ports = (0..<9).map { _ in channel.pickPort() ?? 0 }
      #expect(Set(ports[0..<3]) == [1, 2, 3])
      #expect(Array(ports[0..<3]) == Array(ports[3..<6]) && Array(ports[0..<3]) == Array(ports[6..<9]), "\(ports)")
    }
  }

  @Test("weight 0 gets no calls while another one is ready, keeps its connection, and is there when it is alone")
  func zero() throws {
    for policy in Self.policies + ["weighted_round_robin", "peak_ewma", "least_request_experimental"] {
      let channel = try Self.channel(policy, [0, 1, 3])
      let counts = Self.counts(channel, 400)
      #expect(counts[1] == nil && counts.count == 2, "\(policy): \(counts)")
      #expect(channel.states[channel.id(1)] == .ready)
      channel.change(channel.id(2), .transientFailure)
      channel.change(channel.id(3), .transientFailure)
      #expect(channel.pickPort() == 1)
    }
  }

  @Test("a new weight counts at once, on the same connections; the same ones in another order change nothing")
  func changed() throws {
    let channel = try Self.channel("round_robin", [1, 1, 1])
    let ids = Set(channel.subchannels.keys)
    channel.run { _ = $0.update(Self.endpoints([1, 2, 3]), &$1) }
    #expect(Set(channel.subchannels.keys) == ids)
    let counts = Self.counts(channel, 600)
    #expect(counts.allSatisfy { abs($0.value - 100 * $0.key) <= 1 }, "\(counts)")
    let before = channel.picker as AnyObject
    channel.run { _ = $0.update(Self.endpoints([1, 2, 3]).reversed(), &$1) }
    #expect(channel.picker as AnyObject === before)
  }

  @Test("the greatest weights and the smallest ones are in proportion, and nothing overflows", arguments: policies)
  func extremes(_ policy: String) throws {
    let counts = Self.counts(try Self.channel(policy, [.max, .max / 2, 1]), 30_000)
    #expect(abs(Double(counts[1] ?? 0) / 20_000 - 1) < 0.02, "\(counts)")
    #expect((counts[3] ?? 0) <= 5, "\(counts)")
  }

  @Test("what is ejected or full is passed over", arguments: policies.prefix(2)) func passedOver(_ policy: String)
    throws
  {
    let channel = try Self.channel(policy, [1, 2, 30])
    let heavy = try #require(channel.subchannels[channel.id(3)])
    heavy.standing.setFull(true)
    #expect(Self.counts(channel, 300)[3] == nil)
    heavy.standing.setFull(false)
    #expect(Self.counts(channel, 300)[3] ?? 0 > 200)
    for _ in 0..<5 {
      heavy.callStarted()
      heavy.callEnded(code: .unavailable, origin: .peer)
    }
    #expect(Self.counts(channel, 300)[3] == nil)
  }
}
