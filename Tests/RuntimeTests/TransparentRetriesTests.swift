import Testing
import VoleryClient
import VoleryTransport

@Suite("Transparent retries (gRFC A6)") struct TransparentRetriesTests {
  @Test("once after a refusal, never after what may have been processed") func refused() {
    var retries = TransparentRetries()
    #expect(retries.next(after: .possible) == .none)
    #expect(retries.next(after: .refused) == .now)
    #expect(retries.next(after: .refused) == .none)
    #expect(retries.next(after: .neverSent) == .now, "counted by itself")
  }

  @Test("what no server has had is tried again at once, then with pauses, and given up in the end") func neverSent() {
    var retries = TransparentRetries()
    var waited = Duration.zero
    for count in 1...TransparentRetries.limit {
      switch retries.next(after: .neverSent) {
      case .now: #expect(count <= 3)
      case .after(let pause):
        #expect(count > 3 && pause >= .milliseconds(1) && pause <= .milliseconds(100))
        waited += pause
      case .none, .giveUp: Issue.record("given up after \(count)")
      }
    }
    #expect(waited > .seconds(5) && waited < .seconds(6))
    for _ in 0..<3 { #expect(retries.next(after: .neverSent) == .giveUp) }
  }
}
