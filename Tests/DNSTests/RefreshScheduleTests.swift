import Testing
import VoleryDNS

@Suite("When a name is looked up") struct RefreshScheduleTests {
  private let start = ContinuousClock.now

  private func schedule() -> RefreshSchedule { RefreshSchedule(interval: .seconds(5)) { 0 } }

  @Test("every interval, as long as nothing happens") func periodic() {
    var schedule = schedule()
    #expect(schedule.due(.poll, at: start) == .lookUp)
    #expect(schedule.finished(isUsable: true, isNew: true, at: start) == .wait(.seconds(5), .poll))
  }

  @Test("at once when somebody asks, and once more if a look-up ran already") func resolveNow() {
    var schedule = schedule()
    #expect(schedule.due(.poll, at: start) == .lookUp)
    #expect(schedule.due(.asked, at: start) == .nothing)
    #expect(schedule.finished(isUsable: true, isNew: true, at: start) == .lookUp)
    #expect(schedule.finished(isUsable: true, isNew: true, at: start) == .wait(.seconds(5), .poll))
  }

  @Test("an answer that was asked for and is the old one is followed by two more look-ups") func followUps() {
    var schedule = schedule()
    #expect(schedule.due(.asked, at: start) == .lookUp)
    #expect(schedule.finished(isUsable: true, isNew: false, at: start) == .wait(.milliseconds(200), .followUp))
    #expect(schedule.due(.followUp, at: start) == .lookUp)
    #expect(schedule.finished(isUsable: true, isNew: false, at: start) == .wait(.seconds(1), .followUp))
    #expect(schedule.due(.followUp, at: start) == .lookUp)
    #expect(schedule.finished(isUsable: true, isNew: false, at: start) == .wait(.seconds(5), .poll))
  }

  @Test("an answer that is new ends them") func newAnswer() {
    var schedule = schedule()
    #expect(schedule.due(.asked, at: start) == .lookUp)
    #expect(schedule.finished(isUsable: true, isNew: true, at: start) == .wait(.seconds(5), .poll))
  }

  @Test("at most five times in five seconds, however many connections fail") func rateLimit() {
    var schedule = schedule()
    for _ in 0..<5 {
      #expect(schedule.due(.asked, at: start) == .lookUp)
      _ = schedule.finished(isUsable: true, isNew: true, at: start)
    }
    #expect(schedule.due(.asked, at: start.advanced(by: .seconds(1))) == .wait(.seconds(4), .followUp))
    #expect(schedule.due(.poll, at: start.advanced(by: .seconds(2))) == .wait(.seconds(3), .poll))
    #expect(schedule.due(.followUp, at: start.advanced(by: .seconds(5))) == .lookUp)
  }

  @Test("polls at a short interval do not hold up what is asked for") func shortInterval() {
    var schedule = RefreshSchedule(interval: .seconds(1)) { 0 }
    for index in 0..<5 {
      let now = start.advanced(by: .seconds(index))
      #expect(schedule.due(.poll, at: now) == .lookUp)
      #expect(schedule.finished(isUsable: true, isNew: false, at: now) == .wait(.seconds(1), .poll))
    }
    #expect(schedule.due(.asked, at: start.advanced(by: .seconds(4.1))) == .lookUp)
  }

  @Test("failures are tried again sooner, never later than the interval") func failures() {
    var schedule = schedule()
    var waits: [RefreshSchedule.Decision] = []
    for index in 0..<5 {
      let now = start.advanced(by: .seconds(10 * index))
      #expect(schedule.due(.poll, at: now) == .lookUp)
      waits.append(schedule.finished(isUsable: false, isNew: false, at: now))
    }
    #expect(waits.first == .wait(.seconds(1), .poll))
    #expect(waits.last == .wait(.seconds(5), .poll))
  }
}
