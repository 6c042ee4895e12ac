import Testing
import VoleryProxyConfiguration

/// What a reader of a proxy's settings hears that was busy.
@Suite("Signs that settings have changed") struct WaitingSignTests {
  private func heard(_ signs: [WaitingSign.Sign]) async -> [WaitingSign.Sign] {
    let waiting = WaitingSign()
    for sign in signs { waiting.note(sign) }
    waiting.finish()
    var heard: [WaitingSign.Sign] = []
    for await _ in waiting.news { if let sign = waiting.take() { heard.append(sign) } }
    return heard
  }

  @Test("what somebody has asked for is heard, whatever hints come before and after it") func asked() async {
    #expect(await heard([.hint, .hint, .hint, .asked]) == [.asked])
    #expect(await heard([.asked, .hint, .hint]) == [.asked])
    #expect(await heard([.hint, .hint]) == [.hint])
  }

  @Test("a sign that comes after one was taken is heard as well") func after() async {
    let waiting = WaitingSign()
    waiting.note(.asked)
    #expect(waiting.take() == .asked)
    #expect(waiting.take() == nil)
    waiting.note(.hint)
    #expect(waiting.take() == .hint)
  }
}
