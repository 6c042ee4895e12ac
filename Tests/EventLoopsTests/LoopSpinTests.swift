import TestSupport
import Testing
import VoleryEventLoops

@Suite("Looking again before a loop waits", .timeLimit(.minutes(1))) struct LoopSpinTests {
  @Test("it does so once pauses are short, for no longer than its limit, and stops when they are long") func decides() {
    var spin = LoopSpin(limit: 50_000)
    #expect(!spin.looksAgain(after: 0), "nothing is known yet")
    for _ in 0..<40 { spin.ended(10_000) }
    #expect(spin.looksAgain(after: 0) && spin.looksAgain(after: 49_999))
    #expect(!spin.looksAgain(after: 50_000))
    // One of a whole night counts as one of four limits.
    spin.ended(.max)
    #expect(spin.looksAgain(after: 0))
    for _ in 0..<3 { spin.ended(.max) }
    #expect(!spin.looksAgain(after: 0))
    var calls = 0
    while !spin.looksAgain(after: 0), calls < 100 {
      spin.ended(10_000)
      calls += 1
    }
    #expect((1...16).contains(calls), "short pauses bring it back: \(calls)")
  }

  @Test("pauses that are about as long as the limit, or longer, never begin it") func longPauses() {
    var spin = LoopSpin(limit: 50_000)
    for _ in 0..<100 {
      spin.ended(60_000)
      #expect(!spin.looksAgain(after: 0))
    }
  }

  private final class Seen: @unchecked Sendable {
    weak var loop: EventLoop?
    init(_ loop: EventLoop) { self.loop = loop }
  }

  @Test("a loop that spins does its work and its timers, and ends", arguments: [Duration.microseconds(50), .seconds(60)])
  func works(_ limit: Duration) async throws {
    let seen = try await work(limit)
    try await eventually("the loop's thread has ended") { seen.loop == nil }
  }

  private func work(_ limit: Duration) async throws -> Seen {
    let loop = try EventLoop(spinsFor: limit)
    for round in 0..<200 {
      await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
        loop.execute {
          guard round % 50 == 0 else { return done.resume() }
          _ = loop.schedule(after: .milliseconds(2)) { done.resume() }
        }
      }
    }
    loop.stop()
    return Seen(loop)
  }
}
