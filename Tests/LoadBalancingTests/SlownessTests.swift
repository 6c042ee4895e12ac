import Testing
import VoleryTypes

@testable import VoleryLoadBalancing

@Suite("Slow servers") struct SlownessTests {
  static let millisecond: Int64 = 1_000_000

  // MARK: When a call is late

  @Test("nothing is late before thirty calls are known") func fewCalls() {
    var latency = MethodLatency()
    for _ in 0..<29 { latency.record(nanoseconds: 10 * SlownessTests.millisecond) }
    #expect(latency.limit == nil)
    latency.record(nanoseconds: 10 * SlownessTests.millisecond)
    #expect(latency.limit != nil)
  }

  @Test(
    "late is what takes three times as long as usual, and 5 ms longer",
    arguments: [(100, 300), (10, 30), (1, 6)] as [(Int64, Int64)])
  func constantTimes(milliseconds: Int64, limit: Int64) throws {
    var latency = MethodLatency()
    for _ in 0..<100 { latency.record(nanoseconds: milliseconds * SlownessTests.millisecond) }
    let found = try Double(#require(latency.limit)) / Double(SlownessTests.millisecond)
    // Times are known to half a power of two.
    #expect(found >= Double(limit) * 0.75 && found <= Double(limit) * 1.4)
  }

  @Test("where one in ten takes long, that is not late") func varyingTimes() throws {
    var latency = MethodLatency()
    for number in 0..<400 {
      latency.record(nanoseconds: (number.isMultiple(of: 9) ? 1000 : 10) * SlownessTests.millisecond)
    }
    #expect(try #require(latency.limit) >= 1000 * SlownessTests.millisecond)
  }

  @Test("what was long ago does not count") func forgets() throws {
    var latency = MethodLatency()
    for _ in 0..<10_000 { latency.record(nanoseconds: 1000 * SlownessTests.millisecond) }
    for _ in 0..<3_000 { latency.record(nanoseconds: SlownessTests.millisecond) }
    #expect(try #require(latency.limit) < 10 * SlownessTests.millisecond)
  }

  @Test("no time is out of range", arguments: [Int64.min, -1, 0, 1, 999, 1000, 1001, .max]) func anyTime(time: Int64) {
    var latency = MethodLatency()
    for _ in 0..<1000 { latency.record(nanoseconds: time) }
    #expect(latency.limit.map { $0 > 0 } == true)
  }

  // MARK: When a server is slow

  @Test("eleven or twelve late calls in a row are enough; one in ten never is") func evidence() {
    let record = SlownessRecord(now: { .now })
    var late = 0
    while record.callEnded(isLate: true) == .none { late += 1 }
    #expect((10...12).contains(late))
    let usual = SlownessRecord(now: { .now })
    for number in 0..<100_000 { #expect(usual.callEnded(isLate: number.isMultiple(of: 10)) == .none) }
  }

  @Test("one call a second probes it, and three in a row in time bring it back") func probes() {
    let clock = TestClock()
    let record = SlownessRecord(now: clock.now)
    record.eject()
    #expect(record.isMarked && record.isEjected())
    for second in 1...3 {
      clock.time = .seconds(second)
      #expect(!record.isEjected(), "a probe")
      #expect(record.isEjected(), "one only")
    }
    #expect(record.callEnded(isLate: false) == .none)
    #expect(record.callEnded(isLate: false) == .none)
    #expect(record.callEnded(isLate: true) == .none)
    #expect(record.callEnded(isLate: false) == .none)
    #expect(record.callEnded(isLate: false) == .none)
    #expect(record.callEnded(isLate: false) == .readmit)
    #expect(!record.isMarked && !record.isEjected())
  }

  @Test("it is tried again after 10, 20, 40, 80, 80 s whatever the probes say, and a few late calls end that")
  func trials() {
    let clock = TestClock()
    let record = SlownessRecord(now: clock.now)
    var now = 0
    for pause in [10, 20, 40, 80, 80] {
      record.eject()
      for second in 1..<pause {
        clock.time = .seconds(now + second)
        #expect(record.callEnded(isLate: true) == .none)
        #expect(record.isMarked)
      }
      now += pause
      clock.time = .seconds(now)
      #expect(record.callEnded(isLate: true) == .readmit)
      #expect(!record.isMarked)
      var late = 1
      while record.callEnded(isLate: true) != .suspect { late += 1 }
      #expect(late <= 4)
    }
  }

  // MARK: Beside the others

  /// Servers of the default policy, ready, with a method known to take 10 ms.
  private struct Servers {
    let channel: FakeChannel
    let all: [Subchannel]

    init(_ count: Int) throws {
      channel = try FakeChannel("rr_least_request")
      channel.update(Array(1...count))
      channel.makeReady(Array(1...count))
      let channel = channel
      all = try (1...count).map { try #require(channel.subchannels[channel.id($0)]) }
      for number in 0..<100 { _ = call(number % count, milliseconds: 10) }
    }

    @discardableResult
    func call(
      _ server: Int, milliseconds: Int64, method: Int = 1, code: StatusCode = .ok
    ) -> StandingChange? {
      // Not a multiple of what is sampled.
      all[server].unaryCallEnded(
        method: method, nanoseconds: milliseconds * SlownessTests.millisecond + 1, code: code)
    }

    var ejected: [Int] { all.indices.filter { all[$0].isEjected } }
  }

  @Test("one is ejected, and is back when it is as quick as the others") func oneOfFive() throws {
    let servers = try Servers(5)
    for _ in 0..<20 { for server in 0..<5 { servers.call(server, milliseconds: server == 3 ? 100 : 10) } }
    #expect(servers.ejected == [3])
    for _ in 0..<3 { servers.call(3, milliseconds: 10) }
    #expect(servers.ejected == [])
  }

  @Test("when all become slow at once, none is") func allOfFive() throws {
    let servers = try Servers(5)
    for _ in 0..<300 { for server in 0..<5 { #expect(servers.call(server, milliseconds: 100) == nil) } }
    #expect(servers.ejected == [])
  }

  @Test("never more than half of them", arguments: [(2, 1), (3, 1), (4, 2), (5, 2)])
  func half(count: Int, most: Int) throws {
    let servers = try Servers(count)
    // One after the other: each is slow beside the middle one of the rest.
    for server in 0..<count {
      for _ in 0..<40 { servers.call(server, milliseconds: 100) }
    }
    #expect(servers.ejected.count <= most)
    #expect(servers.ejected.contains(0))
  }

  @Test("a method that takes long is no reason, whoever gets it") func otherMethod() throws {
    let servers = try Servers(3)
    for number in 0..<300 {
      #expect(servers.call(0, milliseconds: 1000 + Int64(number % 10), method: 2) == nil)
      for server in 0..<3 { #expect(servers.call(server, milliseconds: 10) == nil) }
    }
    #expect(servers.ejected == [])
  }

  @Test("what fails says nothing, a deadline that passed says that it was late") func codes() throws {
    let servers = try Servers(3)
    for _ in 0..<50 {
      servers.call(1, milliseconds: 100, code: .unavailable)
      servers.call(1, milliseconds: 100, code: .cancelled)
      servers.call(1, milliseconds: 1, code: .deadlineExceeded)
    }
    #expect(servers.ejected == [])
    for _ in 0..<20 { servers.call(1, milliseconds: 100, code: .deadlineExceeded) }
    #expect(servers.ejected == [1])
  }

  @Test("a new connection has nothing held against it") func reconnected() throws {
    let servers = try Servers(3)
    for _ in 0..<20 { servers.call(1, milliseconds: 100) }
    #expect(servers.ejected == [1])
    servers.all[1].standing.connected()
    #expect(servers.ejected == [])
  }

  @Test("of ever more methods the first ones are judged") func manyMethods() throws {
    let servers = try Servers(3)
    var state = SeededGenerator(state: 1)
    for _ in 0..<100_000 {
      servers.call(0, milliseconds: 10, method: Int(truncatingIfNeeded: state.next()))
    }
    for _ in 0..<20 { servers.call(2, milliseconds: 100) }
    #expect(servers.ejected == [2])
  }

  @Test("a method's record is made with its first call, for good, and there are 64 at most") func records() throws {
    let records = MethodRecords()
    #expect(records.count == 0)
    let first = try #require(records[7])
    #expect(records[7] === first && records.count == 1)
    // A hash of nothing but zeroes is one, too.
    #expect(records[0] != nil && records[0] === records[0])
    let others = try [7 + 64, 7 + 128, 7 + 192].map { try #require(records[$0]) }
    #expect(Set(([first] + others).map(\.key)).count == 4)
    #expect(records[7 + 256] == nil, "no place of those where it may stand is left")
    #expect(records[7] === first)
    var state = SeededGenerator(state: 2)
    for _ in 0..<10_000 { _ = records[Int(truncatingIfNeeded: state.next())] }
    #expect(records.count == MethodRecords.limit)
  }

  @Test("of a method whose first calls come at once there is one record") func firstCalls() async {
    for method in 1...200 {
      let records = MethodRecords()
      let found = await withTaskGroup(of: ObjectIdentifier?.self) { group in
        for _ in 0..<4 { group.addTask { records[method].map { ObjectIdentifier($0) } } }
        return await group.reduce(into: Set<ObjectIdentifier?>()) { $0.insert($1) }
      }
      #expect(found.count == 1 && !found.contains(nil) && records.count == 1)
    }
  }
}
