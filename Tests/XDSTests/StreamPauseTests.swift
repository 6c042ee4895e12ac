import Testing
import VoleryXDS

@Suite("The pause between a control plane's streams") struct StreamPauseTests {
  @Test("grows from 1 s by 1.6 to 30 s, and is what it was at first once the control plane has spoken") func growth() {
    var pause = StreamPause()
    let pauses = (0..<9).map { _ in pause.ended(hasHeard: false, random: 0.5) }
    for (pause, seconds) in zip(pauses, [1, 1.6, 2.56, 4.096, 6.5536, 10.48576, 16.777216, 26.8435456, 30]) {
      let difference = pause - .seconds(seconds)
      #expect(difference > .microseconds(-1) && difference < .microseconds(1), "\(pauses)")
    }
    #expect(pause.ended(hasHeard: true, random: 0.5) == .seconds(1))
    #expect(pause.ended(hasHeard: false, random: 0.5) > .milliseconds(1599))
  }

  @Test("is up to a fifth shorter or longer, by chance", arguments: [(0.0, 800), (0.5, 1000), (1.0, 1200)])
  func spread(_ random: Double, _ milliseconds: Int) {
    var pause = StreamPause()
    let difference = pause.ended(hasHeard: true, random: random) - .milliseconds(milliseconds)
    #expect(difference > .microseconds(-1) && difference < .microseconds(1))
  }
}
