import Testing
import VoleryLoadBalancing
import VoleryTypes

@Suite("Consistent hashing (gRFC A42, A76)") struct RingHashTests {
  private func makeChannel(_ json: String = #"{"requestHashHeader": "x-key"}"#) throws -> FakeChannel {
    try FakeChannel("ring_hash_experimental", configuration: try JSONValue(parsing: json))
  }

  private func makeReadyChannel(_ ports: ClosedRange<Int>, weights: [Int: UInt32] = [:]) throws -> FakeChannel {
    let channel = try makeChannel()
    update(channel, Array(ports), weights: weights)
    channel.makeReady(Array(ports))
    return channel
  }

  private func update(_ channel: FakeChannel, _ ports: [Int], weights: [Int: UInt32] = [:], names: [Int: String] = [:])
  {
    let endpoints = ports.map { port in
      var endpoint = Endpoint(.tcp("10.0.0.1", port))
      endpoint.attributes.weight = weights[port]
      endpoint.attributes.hashKey = names[port]
      return endpoint
    }
    channel.run { _ = $0.update(endpoints, &$1) }
  }

  private func owners(_ channel: FakeChannel, keys: Int = 10_000) -> [Int?] {
    (0..<keys).map { channel.call(["x-key": "key \($0)"]) }
  }

  @Test("the same key goes to the same server; without one of N only its own keys move") func consistent() throws {
    let channel = try makeReadyChannel(1...10)
    let before = owners(channel)
    #expect(before == owners(channel))
    #expect(!before.contains(nil))
    update(channel, [1, 2, 3, 4, 6, 7, 8, 9, 10])
    let after = owners(channel)
    let moved = zip(before, after).count { $0 != $1 }
    #expect(zip(before, after).allSatisfy { $0 == $1 || $0 == 5 })
    #expect(Double(moved) / 10_000 <= 0.1 + 0.02)
    // And one more takes its share from all, and changes nothing between them.
    update(channel, Array(1...10))
    channel.makeReady([5])
    #expect(owners(channel) == before)
  }

  @Test("with the sizes of the gRFC the ring is Envoy's: entries by weight, about as many as the minimum says")
  func envoys()
    throws
  {
    let places = [HashRing.Place(key: "a", weight: 1), HashRing.Place(key: "b", weight: 3)]
    let ring = HashRing(places, size: 8...4096)
    #expect(ring.members.count { $0 == 0 } == 2 && ring.members.count { $0 == 1 } == 6)
    #expect(
      Set(ring.hashes) == Set((0..<2).map { XXHash64.hash("a_\($0)") } + (0..<6).map { XXHash64.hash("b_\($0)") }))
    #expect(ring.hashes == ring.hashes.sorted())
  }

  @Test("keys are shared by weight") func weights() throws {
    let channel = try makeReadyChannel(1...4, weights: [1: 4, 2: 2, 3: 1, 4: 1])
    let counts = owners(channel).reduce(into: [:]) { $0[$1!, default: 0.0] += 1 / 10_000 }
    for (port, share) in [1: 0.5, 2: 0.25, 3: 0.125, 4: 0.125] { #expect(abs(counts[port]! - share) < 0.06, "\(port)") }
  }

  @Test("a server that is there twice has the weights of both") func duplicates() throws {
    let channel = try makeChannel()
    update(channel, [1, 2, 1, 1])
    channel.makeReady([1, 2])
    let counts = owners(channel).reduce(into: [:]) { $0[$1!, default: 0.0] += 1 / 10_000 }
    #expect(channel.subchannels.count == 2 && abs(counts[1]! - 0.75) < 0.06)
  }

  @Test("a connection is made for the first call that wants it") func lazy() throws {
    let channel = try makeChannel()
    channel.update([1, 2, 3])
    #expect(channel.state == .idle && channel.states.values.allSatisfy { $0 == .idle })
    #expect(channel.call(["x-key": "a"]) == nil)
    #expect(channel.states.values.count { $0 == .connecting } == 1)
    #expect(channel.state == .connecting)
    let id = channel.states.first { $0.value == .connecting }!.key
    channel.change(id, .ready)
    #expect(channel.call(["x-key": "a"]) != nil)
    #expect(channel.states.values.count { $0 == .idle } == 2)
    channel.change(id, .idle)
    #expect(channel.states[id] == .idle, "a lost connection is made again for a call only")
  }

  @Test("who asks the channel to connect has one connection made") func exitIdle() throws {
    let channel = try makeChannel()
    channel.update([1, 2, 3])
    channel.run { $0.exitIdle(&$1) }
    channel.run { $0.exitIdle(&$1) }
    #expect(channel.states.values.count { $0 == .connecting } == 1)
  }

  @Test("a server that fails is passed over; its calls come back when it does") func failing() throws {
    let channel = try makeReadyChannel(1...3)
    let key = (0...).lazy.map { "key \($0)" }.first { channel.call(["x-key": $0]) == 2 }!
    let id = channel.id(2)
    channel.change(id, .transientFailure, error: StatusError(.unavailable, "no"))
    #expect(channel.call(["x-key": key]) != 2)
    channel.change(id, .idle)
    #expect(channel.states[id] == .connecting, "tried again though no call asks for it")
    #expect(channel.call(["x-key": key]) != 2, "nobody waits for one that has failed")
    channel.change(id, .ready)
    #expect(channel.call(["x-key": key]) == 2)
  }

  @Test("one that fails calls in a row is passed over, too") func ejected() throws {
    let channel = try makeReadyChannel(1...3)
    let key = (0...).lazy.map { "key \($0)" }.first { channel.call(["x-key": $0]) == 2 }!
    for _ in 0..<5 {
      channel.subchannels[channel.id(2)]!.callStarted()
      channel.subchannels[channel.id(2)]!.callEnded(code: .unavailable, origin: .peer)
    }
    #expect(channel.call(["x-key": key]) != 2)
    #expect(!(0..<200).contains { _ in channel.call() == 2 }, "nor do calls without a key go there")
  }

  @Test("weights that are all zero are as good as none") func allZero() throws {
    let channel = try makeReadyChannel(1...3, weights: [1: 0, 2: 0, 3: 0])
    #expect(Set(owners(channel, keys: 200)) == [1, 2, 3])
    update(channel, [1, 2, 3], weights: [1: 0, 2: 1, 3: 0])
    #expect(Set(owners(channel, keys: 200)) == [2])
  }

  @Test("every hash finds the next one on the circle, in rings of any size") func next() {
    for count in [1, 2, 3, 10, 700] {
      let ring = HashRing((0..<count).map { HashRing.Place(key: "\($0)", weight: 1) }, limit: 4096)
      for number in 0..<2000 {
        let hash = number == 0 ? 0 : number == 1 ? .max : XXHash64.hash("\(number)")
        #expect(ring.index(of: hash) == ring.hashes.firstIndex { $0 >= hash } ?? 0)
      }
      for (place, hash) in ring.hashes.enumerated() { #expect(ring.index(of: hash) == place) }
    }
  }

  @Test("gRFC A61's states: two that fail make a failure; then one after the other is tried") func states() throws {
    let channel = try makeChannel()
    channel.update([1, 2, 3, 4])
    func fail(_ port: Int) {
      channel.change(channel.id(port), .transientFailure, error: StatusError(.unavailable, "no"))
    }
    fail(1)
    #expect(channel.state == .connecting, "one of four")
    #expect(channel.states.values.count { $0 == .connecting } == 1, "the next one, by itself")
    fail(2)
    #expect(channel.state == .transientFailure)
    #expect(channel.states.values.count { $0 == .connecting } == 1)
    fail(3)
    fail(4)
    guard case .fail(let error) = channel.picker.pick(for: PickRequest(path: "/a/b", metadata: ["x-key": "a"])) else {
      return #expect(Bool(false))
    }
    #expect(error.message.contains("10.0.0.1:"))
    channel.makeReady([3])
    #expect(channel.state == .ready && channel.call(["x-key": "any"]) == 3)
  }

  @Test("calls without a key go anywhere, to a ready one first, and have one connection made at a time") func keyless()
    throws
  {
    let channel = try makeChannel()
    channel.update([1, 2, 3])
    #expect(channel.call() == nil && channel.call() == nil)
    #expect(channel.states.values.count { $0 == .connecting } == 1)
    channel.change(channel.states.first { $0.value == .connecting }!.key, .ready)
    for _ in 0..<50 { #expect(channel.call() != nil, "no call waits while one is ready") }
    #expect(channel.states.values.count { $0 == .connecting } <= 1)
    channel.makeReady([1, 2, 3])
    #expect(Set((0..<200).map { _ in channel.call() }) == [1, 2, 3])
    #expect(channel.call(["x-key": ""]) != nil, "an empty one is none")
  }

  @Test("several values of the header count with commas between them") func joined() throws {
    let channel = try makeReadyChannel(1...50)
    var several: Metadata = ["x-key": "a"]
    several.append("b", for: "x-key")
    several.append("c", for: "x-key")
    #expect((0..<5).allSatisfy { _ in channel.call(several) == channel.call(["X-Key": "a,b,c"]) })
  }

  @Test("without a header of its own the config selector's hash counts") func selector() throws {
    let channel = try makeChannel("{}")
    channel.update([1, 2, 3, 4, 5])
    channel.makeReady([1, 2, 3, 4, 5])
    let owners = (0..<200).map { channel.call(hash: XXHash64.hash("\($0)")) }
    #expect(owners == (0..<200).map { channel.call(hash: XXHash64.hash("\($0)")) } && Set(owners).count == 5)
  }

  @Test("a server's own name keeps its keys when its address changes") func named() throws {
    let channel = try makeChannel()
    update(channel, [1, 2, 3], names: [1: "orders-0", 2: "orders-1", 3: "orders-2"])
    channel.makeReady([1, 2, 3])
    let before = owners(channel, keys: 500)
    update(channel, [1, 2, 4], names: [1: "orders-0", 2: "orders-1", 4: "orders-2"])
    channel.makeReady([4])
    #expect(owners(channel, keys: 500) == before.map { $0 == 3 ? 4 : $0 })
  }

  @Test("the ring's size is bounded, whatever the configuration and the weights say") func size() throws {
    let places = (0..<3).map { HashRing.Place(key: "\($0)", weight: $0 == 0 ? 1 : UInt64(UInt32.max)) }
    #expect(HashRing(places, size: 1024...4096).hashes.count <= 4097)
    let even = (0..<10).map { HashRing.Place(key: "\($0)", weight: 1) }
    #expect((1024...1034).contains(HashRing(even, size: 1024...4096).hashes.count))
    let many = (0..<10_000).map { HashRing.Place(key: "\($0)", weight: 1) }
    #expect(HashRing(many, size: 1024...4096).hashes.count <= 4097)
    #expect(HashRing(many, limit: 4096).hashes.count == 10_000, "each has one at least")
    #expect(HashRing(places, limit: 4096).hashes.count <= 4098)
    #expect(HashRing(even, limit: 4096).hashes.count == 1280)
    let huge = try RingHashConfiguration(
      ConfigReader(JSONValue(parsing: #"{"minRingSize": 8388608, "max_ring_size": 8388608}"#), at: "x")
    ) { _ in nil }
    #expect(huge.size == 4096...4096)
    let raised = try RingHashConfiguration(ConfigReader(.null, at: "x")) { _ in "10000" }
    #expect(raised.size == 1024...10_000)
  }

  @Test("a look-up that finds nothing new leaves the picker as it is") func unchanged() throws {
    let channel = try makeReadyChannel(1...3)
    let picker = channel.picker as AnyObject
    channel.update([1, 2, 3])
    #expect(channel.picker as AnyObject === picker)
  }
}
