import Testing
import VoleryChannelz

/// What is remembered, as values.
@Suite("Values of channelz") struct ChannelzValueTests {
  static func time(_ seconds: Int64) -> WallClockTime { WallClockTime(nanoseconds: seconds * 1_000_000_000) }

  @Test("a trace keeps the last events, in their order, and counts all of them") func trace() {
    var trace = EventTrace(limit: 3, at: Self.time(1))
    #expect(trace.events.isEmpty && trace.creationTime == Self.time(1))
    for number in 1...8 {
      trace.log("event \(number)", number == 8 ? .error : .info, at: Self.time(Int64(number)))
      #expect(trace.loggedCount == number)
      #expect(trace.events.map(\.text) == (max(1, number - 2)...number).map { "event \($0)" })
    }
    #expect(trace.events.last?.severity == .error && trace.events.last?.time == Self.time(8))
  }

  @Test("limits of a trace beyond what there can be count as the nearest", arguments: [(-1, 0), (0, 0), (1001, 1000)])
  func traceLimits(_ limit: Int, _ kept: Int) {
    var trace = EventTrace(limit: limit, at: Self.time(0))
    for number in 0..<2000 { trace.log("\(number)", at: Self.time(0)) }
    #expect(trace.events.count == kept && trace.loggedCount == 2000)
  }

  @Test("what others have said is escaped and cut in a trace") func foreignText() throws {
    var trace = EventTrace(limit: 4, at: Self.time(0))
    trace.log("failed: \u{1b}[31mred\nINFO all is well\u{202e}", at: Self.time(0))
    trace.log(String(repeating: "x", count: 1_000_000), at: Self.time(0))
    #expect(trace.events[0].text == "failed: \\u{1b}[31mred\\nINFO all is well\\u{202e}")
    #expect(trace.events[1].text.count == EventTrace.maxTextLength + 1)
  }

  @Test("calls are counted by how they end, with the last one's time") func calls() {
    var tally = CallTally()
    #expect(tally.lastStarted == nil)
    tally.start(at: Self.time(5))
    tally.start(at: Self.time(6))
    tally.start(at: Self.time(7))
    tally.end(succeeds: true)
    tally.end(succeeds: false)
    #expect((tally.started, tally.succeeded, tally.failed) == (3, 1, 1))
    #expect(tally.lastStarted == Self.time(7))
  }

  @Test("a socket's streams and messages are counted each way") func socket() {
    var tally = SocketTally()
    tally.streamStarted(at: Self.time(1))
    tally.sent(at: Self.time(2))
    tally.sent(at: Self.time(3))
    tally.received(at: Self.time(4))
    tally.streamEnded(isComplete: false)
    #expect((tally.streams.started, tally.streams.succeeded, tally.streams.failed) == (1, 0, 1))
    #expect((tally.messagesSent, tally.messagesReceived) == (2, 1))
    #expect(tally.lastSent == Self.time(3) && tally.lastReceived == Self.time(4))
  }

  @Test("a table is read in pages by id, whatever order its entities came in") func pages() {
    var table = EntityTable<Int>(limit: 100)
    for id in [5, 1, 9, 3, 7] { _ = table.insert(id * 10, id: id) }
    #expect(table.all == [10, 30, 50, 70, 90])
    let first = table.page(from: 0, limit: 2)
    #expect(first.entities == [10, 30] && !first.isLast)
    let second = table.page(from: 4, limit: 2)
    #expect(second.entities == [50, 70] && !second.isLast)
    let last = table.page(from: 8, limit: 2)
    #expect(last.entities == [90] && last.isLast)
    #expect(table.page(from: 9, limit: 1).isLast)
    for beyond in [10, Int.max] {
      #expect(table.page(from: beyond, limit: 2).entities.isEmpty && table.page(from: beyond, limit: 2).isLast)
    }
    #expect(table.page(from: .min, limit: .max).entities.count == 5)
    #expect(table.page(from: 0, limit: -1).entities == [10])
  }

  @Test("a table takes no more than its limit, and again when something is gone") func tableLimit() {
    var table = EntityTable<Int>(limit: 2)
    let taken = (1...3).map { table.insert($0, id: $0) }
    #expect(taken == [true, true, false] && table[3] == nil && table.count == 2)
    let removed = [table.remove(1), table.remove(1)]
    #expect(removed == [1, nil])
    let isTaken = table.insert(3, id: 3)
    #expect(isTaken && table.all == [2, 3])
    let gone = table.removeAll { $0 == 2 }
    #expect(gone == [2] && table.all == [3])
    var none = EntityTable<Int>(limit: -1)
    let isTakenByNone = none.insert(1, id: 1)
    #expect(!isTakenByNone && none.isEmpty)
  }

  @Test("whoever turns pages while entities come and go sees each that stays once", arguments: 0..<20)
  func pagesWhileChanging(_ seed: UInt64) {
    var random = Seeded(state: seed)
    var table = EntityTable<Int>(limit: 10_000)
    let staying = Array(stride(from: 2, through: 400, by: 2))
    for id in staying { _ = table.insert(id, id: id) }
    var (seen, start, nextID, turns): ([Int], Int, Int, Int) = ([], 0, 1, 0)
    while true {
      turns += 1
      let page = table.page(from: start, limit: Int.random(in: 1...9, using: &random))
      #expect(!page.entities.isEmpty || page.isLast)
      seen += page.entities
      // Those that come are not below what has been read, as ids grow; some of them go again.
      for _ in 0..<3 {
        if table.insert(nextID, id: nextID) { nextID += 2 }
        if Bool.random(using: &random) { table.remove(max(1, nextID - 2 * Int.random(in: 1...20, using: &random))) }
      }
      guard !page.isLast, let last = page.entities.last, turns < 2000 else { break }
      start = last + 1
    }
    #expect(turns < 2000)
    #expect(seen == seen.sorted() && Set(seen).count == seen.count)
    #expect(seen.filter { $0 % 2 == 0 } == staying)
  }

  struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ (state >> 29)
    }
  }
}
