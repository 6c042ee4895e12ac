import Testing
import VoleryTypes

@Suite("Deadlines") struct DeadlineTests {
  @Test(
    "a call that its client has ended just before the server's own deadline was at its deadline, another was cancelled",
    arguments: [
      (50, 5, true), (50, 6, false), (50, -40, true), (4, 2, true), (4, 3, false), (3_000, 30, true),
      (3_000, 31, false), (3_600_000, 1_000, true), (3_600_000, 1_001, false),
    ])
  func reached(timeout: Int, left: Int, isReached: Bool) {
    #expect(Deadline.isReached(left: .milliseconds(left), of: .milliseconds(timeout)) == isReached)
  }
}
