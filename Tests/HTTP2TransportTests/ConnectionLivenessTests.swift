import Testing
import VoleryHTTP2Transport

@testable import VoleryHTTP2Transport

@Suite("Whether a server is still there") struct ConnectionLivenessTests {
  typealias Settings = ConnectionLiveness.Settings
  let start = ContinuousClock.now

  func make(_ settings: Settings = Settings(), pace: PingPace = PingPace()) -> ConnectionLiveness {
    ConnectionLiveness(settings, pace: pace, now: start)
  }

  func at(_ seconds: Double) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }

  @Test("a deadline that passes in silence asks; without an answer the server is suspect, then given up")
  func silence() {
    var liveness = make()
    let opening = liveness.receptions
    #expect(liveness.deadlinePassed(openedAt: opening, now: at(2)) == .ping)
    #expect(liveness.deadlinePassed(openedAt: opening, now: at(2.1)) == .none, "one question at a time")
    let (suspicion, next) = liveness.check(now: at(3), hasCalls: true)
    guard case .suspect = suspicion else {
      Issue.record("not suspect: \(suspicion)")
      return
    }
    #expect(next == .seconds(19))
    guard case .giveUp = liveness.check(now: at(22), hasCalls: false).action else {
      Issue.record("kept")
      return
    }
  }

  @Test("a deadline that passes while others are answered asks nothing") func slowMethod() {
    var liveness = make()
    let opening = liveness.receptions
    liveness.received(now: at(1))
    #expect(liveness.deadlinePassed(openedAt: opening, now: at(2)) == .none)
  }

  @Test("never more than two pings in five minutes without data") func pingLimit() {
    var liveness = make()
    var pings = 0
    for second in 0..<290 {
      if liveness.deadlinePassed(openedAt: liveness.receptions, now: at(Double(second))) == .ping {
        pings += 1
        liveness.received(now: at(Double(second) + 0.01))
      }
    }
    #expect(pings == 2)
    liveness.dataReceived()
    #expect(liveness.deadlinePassed(openedAt: liveness.receptions, now: at(291)) == .ping)
  }

  @Test("calls that wait in silence cause one ping, and the next only when servers have forgotten it")
  func waitingCalls() {
    var liveness = make()
    #expect(liveness.check(now: at(4), hasCalls: true) == (.none, .seconds(6)))
    #expect(liveness.check(now: at(10), hasCalls: true) == (.ping, .seconds(1)))
    liveness.received(now: at(10.2))
    #expect(liveness.check(now: at(11), hasCalls: true).action == .none)
    #expect(liveness.check(now: at(21), hasCalls: true) == (.none, .seconds(299)))
    #expect(liveness.check(now: at(321), hasCalls: true).action == .ping)
  }

  @Test("a connection without calls is left alone") func idle() {
    var liveness = make()
    #expect(liveness.check(now: at(1000), hasCalls: false) == (.none, nil))
  }

  @Test("keepalive asks at its interval, half as often after too_many_pings") func keepalive() {
    let pace = PingPace()
    var liveness = make(Settings(keepaliveTime: .seconds(30), answerTime: .seconds(5)), pace: pace)
    #expect(liveness.check(now: at(29), hasCalls: true) == (.none, .seconds(1)))
    #expect(liveness.check(now: at(30), hasCalls: true) == (.ping, .seconds(5)))
    liveness.received(now: at(31))
    pace.complained()
    #expect(liveness.check(now: at(61), hasCalls: true) == (.none, .seconds(30)))
    #expect(liveness.check(now: at(91), hasCalls: true).action == .ping)
    guard case .giveUp = liveness.check(now: at(96), hasCalls: true).action else {
      Issue.record("kept")
      return
    }
  }

  @Test("a server that complained of pings is not asked on suspicion any more") func complaint() {
    let pace = PingPace()
    var liveness = make(pace: pace)
    pace.complained()
    #expect(liveness.deadlinePassed(openedAt: liveness.receptions, now: at(2)) == .none)
  }
}
