import Testing

@testable import VoleryHTTP2Transport

@Suite("Slowing a peer down") struct ReceivePacingTests {
  @Test("over the mark its windows are made narrow, once, and wide again under half of it") func phases() {
    var pacing = ReceivePacing()
    #expect(pacing.changed(waiting: 100, mark: 100) == .none)
    #expect(pacing.changed(waiting: 101, mark: 100) == .narrow)
    #expect(pacing.changed(waiting: 500, mark: 100) == .none, "the peer has not heard of it")
    #expect(pacing.acknowledged() == .letThrough)
    #expect(pacing.acknowledged() == .none)
    #expect(pacing.changed(waiting: 99, mark: 100) == .letThrough)
    #expect(pacing.changed(waiting: 50, mark: 100) == .letThrough)
    #expect(pacing.changed(waiting: 49, mark: 100) == .widen)
    #expect(pacing.changed(waiting: 49, mark: 100) == .none)
    #expect(pacing.acknowledged() == .none, "of the wide windows")
    #expect(pacing.changed(waiting: 200, mark: 100) == .narrow)
  }

  private func candidates(_ list: [(Int32, Int)]) -> [ReceivePacing.Candidate] {
    list.map { ReceivePacing.Candidate(stream: $0.0, missing: $0.1) }
  }

  @Test("the oldest messages are let through, within the allowance") func oldest() {
    let waiting = candidates([(7, 10), (3, 40), (5, 60), (9, 1)])
    let chosen = ReceivePacing.choose(from: waiting, outstanding: 0, allowance: 100)
    #expect(chosen == candidates([(3, 40), (5, 60)]))
    #expect(ReceivePacing.choose(from: waiting, outstanding: 60, allowance: 100) == candidates([(3, 40)]))
    #expect(ReceivePacing.choose(from: waiting, outstanding: 61, allowance: 100).isEmpty)
  }

  @Test("one is let through at any rate: nothing else would free memory") func one() {
    let waiting = candidates([(3, 4000), (5, 4000)])
    #expect(ReceivePacing.choose(from: waiting, outstanding: 0, allowance: 100) == candidates([(3, 4000)]))
    #expect(ReceivePacing.choose(from: waiting, outstanding: 1, allowance: 100).isEmpty)
    #expect(ReceivePacing.choose(from: [], outstanding: 0, allowance: 100).isEmpty)
  }
}
