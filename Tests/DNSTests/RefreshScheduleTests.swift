import Testing
import VoleryDNS

@Suite("When a name is looked up") struct RefreshScheduleTests {
  private let start = ContinuousClock.now

  private func schedule() -> RefreshSchedule { RefreshSchedule(interval: .seconds(5)) { 0 } }

  @Test("every interval, as long as nothing happens") func periodic() {
    var schedule = schedule()
    #expect(schedule.due(at: start) == .lookUp)
    #expect(schedule.finished(isUsable: true, at: start) == .wait(.seconds(5)))
  }

  @Test("at once when somebody asks, and once more if a look-up ran already") func resolveNow() {
    var schedule = schedule()
    #expect(schedule.due(at: start) == .lookUp)
    #expect(schedule.due(at: start) == .nothing)
    #expect(schedule.finished(isUsable: true, at: start) == .lookUp)
    #expect(schedule.finished(isUsable: true, at: start) == .wait(.seconds(5)))
  }

  @Test("at most five times in five seconds, however many connections fail") func rateLimit() {
    var schedule = schedule()
    for _ in 0..<5 {
      #expect(schedule.due(at: start) == .lookUp)
      _ = schedule.finished(isUsable: true, at: start)
    }
    #expect(schedule.due(at: start.advanced(by: .seconds(1))) == .wait(.seconds(4)))
    #expect(schedule.due(at: start.advanced(by: .seconds(5))) == .lookUp)
  }

  @Test("failures are tried again sooner, never later than the interval") func failures() {
    var schedule = schedule()
    var waits: [RefreshSchedule.Decision] = []
    for index in 0..<5 {
      let now = start.advanced(by: .seconds(10 * index))
      #expect(schedule.due(at: now) == .lookUp)
      waits.append(schedule.finished(isUsable: false, at: now))
    }
    #expect(waits.first == .wait(.seconds(1)))
    #expect(waits.last == .wait(.seconds(5)))
  }
}
