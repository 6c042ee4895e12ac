import Testing
import VoleryClient

@Suite("Foreseeing when a server ends its connections") struct ConnectionForesightTests {
  private func after(_ ends: [ConnectionForesight.End]) -> ConnectionForesight {
    var foresight = ConnectionForesight()
    for end in ends { foresight.ended(end) }
    return foresight
  }

  private func end(_ streams: Int, _ seconds: Double, connecting milliseconds: Double = 1) -> ConnectionForesight.End {
    ConnectionForesight.End(streams: streams, age: .seconds(seconds), connectTime: .milliseconds(milliseconds))
  }

  @Test(
    "twice the same number of calls is a habit; the next connection is made when nine tenths are used",
    arguments: [(1, 1), (2, 1), (3, 2), (10, 9), (50, 45), (1000, 900)])
  func streams(_ streams: Int, _ expected: Int) {
    #expect(!after([end(streams, 3)]).isHabit, "once may be chance")
    let foresight = after([end(streams, 3), end(streams, 7)])
    #expect(foresight.isHabit)
    #expect(foresight.forecast == .init(streams: expected))
    #expect(foresight.expects(end(streams, 1)))
    #expect(!foresight.expects(end(expected - 1, 100)))
  }

  @Test("a server that is far away, or calls that come fast, get a longer lead") func lead() {
    // 100 calls in 0.4 s while a connection takes 50 ms: 25 of them come meanwhile.
    #expect(after([end(100, 0.4, connecting: 50), end(100, 0.4)]).forecast == .init(streams: 75))
    #expect(after([end(100, 0.1, connecting: 500), end(100, 0.1)]).forecast == .init(streams: 1))
  }

  @Test("twice about the same age is a habit too") func age() throws {
    let foresight = after([end(10, 60), end(500, 55)])
    #expect(foresight.forecast.streams == nil)
    #expect(abs(try #require(foresight.forecast.age) / .seconds(55) - 0.9) < 0.001)
    #expect(foresight.expects(end(3, 56)))
    #expect(!foresight.expects(end(3, 10)))
  }

  @Test("what differs is no habit, and one that has changed is forgotten") func none() {
    #expect(!after([end(10, 1), end(500, 60)]).isHabit)
    #expect(!after([end(10, 0.01), end(13, 0.011)]).isHabit, "so young that no server counts by it")
    #expect(!after([end(50, 1), end(50, 1), end(300, 20)]).isHabit)
    #expect(after([end(50, 1), end(50, 1), end(300, 20), end(300, 20)]).forecast == .init(streams: 270))
    #expect(!ConnectionForesight().expects(end(1, 1)))
  }

  @Test("numbers at the edges do no harm", arguments: [0, 1, Int(Int32.max)], [0.0, 1e-9, 1e9])
  func edges(_ streams: Int, _ seconds: Double) {
    let foresight = after([end(streams, seconds, connecting: 1e6), end(streams, seconds, connecting: 0)])
    if let count = foresight.forecast.streams { #expect(count >= 1 && count <= max(streams, 1)) }
    if let age = foresight.forecast.age { #expect(age > .zero && age <= .seconds(seconds)) }
  }
}
