import Testing
import VoleryDNS
import VoleryNameResolution

@Suite("When a name is looked up") struct RefreshScheduleTests {
  private let start = ContinuousClock.now

  private func schedule(_ interval: Duration = .seconds(5)) -> RefreshSchedule {
    RefreshSchedule(interval: interval) { 0 }
  }

  private func at(_ seconds: Double) -> ContinuousClock.Instant {
    start.advanced(by: .milliseconds(Int((seconds * 1000).rounded())))
  }

  /// A look-up at once that is answered at once, as one expects.
  private func lookUp(_ schedule: inout RefreshSchedule, _ seconds: Double, isNew: Bool = false) {
    #expect(schedule.next(isRunning: false, at: at(seconds)) == .lookUp)
    schedule.finished(isUsable: true, isNew: isNew, at: at(seconds))
  }

  @Test("every interval, as long as nothing happens") func periodic() {
    var schedule = schedule()
    lookUp(&schedule, 0)
    #expect(schedule.next(isRunning: false, at: start) == .wait(.seconds(5)))
    lookUp(&schedule, 5)
    #expect(schedule.next(isRunning: false, at: at(6)) == .wait(.seconds(4)))
  }

  @Test("a look-up that is not answered does not hold up the next") func unanswered() {
    var schedule = schedule()
    #expect(schedule.next(isRunning: false, at: start) == .lookUp)
    #expect(schedule.next(isRunning: true, at: at(1)) == .wait(.seconds(4)))
    #expect(schedule.next(isRunning: true, at: at(5)) == .lookUp)
  }

  @Test("at once when a connection is lost; while a look-up runs, its end or 25 ms are awaited") func lost() {
    var schedule = schedule()
    lookUp(&schedule, 0)
    schedule.asked(.connectionLost)
    #expect(schedule.next(isRunning: false, at: at(0.1)) == .lookUp)
    schedule.asked(.connectionLost)
    #expect(schedule.next(isRunning: true, at: at(0.1)) == .wait(.milliseconds(25)))
    #expect(schedule.next(isRunning: true, at: at(0.125)) == .lookUp)
  }

  @Test("a loss that brings nothing new is followed by two more look-ups; what is new ends them") func followUps() {
    var schedule = schedule()
    lookUp(&schedule, 0)
    schedule.asked(.connectionLost)
    lookUp(&schedule, 1)
    #expect(schedule.next(isRunning: false, at: at(1)) == .wait(.milliseconds(200)))
    lookUp(&schedule, 1.2)
    #expect(schedule.next(isRunning: false, at: at(1.2)) == .wait(.seconds(1)))
    lookUp(&schedule, 2.2)
    #expect(schedule.next(isRunning: false, at: at(2.2)) == .wait(.seconds(5)))
    schedule.asked(.connectionLost)
    lookUp(&schedule, 20, isNew: true)
    #expect(schedule.next(isRunning: false, at: at(20)) == .wait(.seconds(5)))
  }

  @Test("an address that can't be reached is worth one look-up, none while one runs") func unreachable() {
    var schedule = schedule()
    lookUp(&schedule, 0)
    schedule.asked(.connectFailed)
    lookUp(&schedule, 1)
    #expect(schedule.next(isRunning: false, at: at(1)) == .wait(.seconds(5)))
    schedule.asked(.connectFailed)
    #expect(schedule.next(isRunning: true, at: at(1)) == .wait(.seconds(5)))
  }

  @Test("at most five times in five seconds, however many connections are lost") func rateLimit() {
    var schedule = schedule()
    for _ in 0..<5 {
      schedule.asked(.connectionLost)
      lookUp(&schedule, 0, isNew: true)
    }
    schedule.asked(.connectionLost)
    #expect(schedule.next(isRunning: false, at: at(1)) == .wait(.seconds(4)))
    #expect(schedule.next(isRunning: false, at: at(5)) == .lookUp)
  }

  @Test("follow-ups and unreachable addresses leave a look-up for the next loss") func reserve() {
    var schedule = schedule()
    lookUp(&schedule, 0)
    schedule.asked(.connectFailed)
    lookUp(&schedule, 3)
    schedule.asked(.connectionLost)
    lookUp(&schedule, 3.1)
    lookUp(&schedule, 3.3)  // The first follow-up; the second would be due at 4.3.
    for _ in 0..<10 { schedule.asked(.connectFailed) }
    #expect(schedule.next(isRunning: false, at: at(4)) == .wait(.seconds(1)))
    schedule.asked(.connectionLost)
    #expect(schedule.next(isRunning: false, at: at(4.1)) == .lookUp)
  }

  @Test("polls at a short interval neither count nor wait") func shortInterval() {
    var schedule = schedule(.seconds(1))
    for index in 0..<5 { lookUp(&schedule, Double(index)) }
    for index in 0..<5 {
      schedule.asked(.connectionLost)
      lookUp(&schedule, 4.1 + Double(index) / 100, isNew: true)
    }
    schedule.asked(.connectionLost)
    #expect(schedule.next(isRunning: false, at: at(4.2)) == .wait(.milliseconds(940)))
    #expect(schedule.next(isRunning: false, at: at(5.14)) == .lookUp)
  }

  @Test("failures are tried again sooner, never later than the interval") func failures() {
    var schedule = schedule()
    var waits: [RefreshSchedule.Decision] = []
    for index in 0..<5 {
      let now = at(Double(10 * index))
      #expect(schedule.next(isRunning: false, at: now) == .lookUp)
      schedule.finished(isUsable: false, isNew: false, at: now)
      waits.append(schedule.next(isRunning: false, at: now))
    }
    #expect(waits.first == .wait(.seconds(1)))
    #expect(waits.last == .wait(.seconds(5)))
  }

  @Test("whoever comes back after a while is served at once") func restart() {
    var schedule = schedule()
    for _ in 0..<5 {
      schedule.asked(.requested)
      lookUp(&schedule, 0)
    }
    schedule.restart()
    #expect(schedule.next(isRunning: false, at: at(0.1)) == .lookUp)
  }
}
