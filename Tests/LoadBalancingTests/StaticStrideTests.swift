import Testing
import VoleryLoadBalancing

@Suite("The static stride scheduler (gRFC A58)") struct StaticStrideTests {
  private static func counts(_ weights: [Double], turns: Int, start: UInt64 = 0) -> [Int] {
    let stride = StaticStride(StaticStride.scaled(weights), start: start)
    var counts = weights.map { _ in 0 }
    for _ in 0..<turns { counts[stride.next().index] += 1 }
    return counts
  }

  @Test(
    "of many turns each has as many as its weight says, wherever it starts",
    arguments: [[1, 2, 3], [5, 5, 5], [1, 1, 10, 0.5], [0.001, 0.002], [3]] as [[Double]],
    [0, 12_345, 0xffff_ffff] as [UInt64])
  func shares(_ weights: [Double], _ start: UInt64) {
    let turns = 30_000
    let counts = Self.counts(weights, turns: turns, start: start)
    for (count, weight) in zip(counts, weights) {
      let wanted = Double(turns) * weight / weights.reduce(0, +)
      #expect(abs(Double(count) - wanted) <= max(3, wanted * 0.001), "\(counts) for \(weights)")
    }
  }

  @Test("turns are spread: of each six by 1, 2 and 3, six turns are within one of that") func spread() {
    let stride = StaticStride(StaticStride.scaled([1, 2, 3]), start: 7)
    for _ in 0..<200 {
      var counts = [0, 0, 0]
      for _ in 0..<6 { counts[stride.next().index] += 1 }
      for (index, count) in counts.enumerated() { #expect(abs(count - (index + 1)) <= 1, "\(counts)") }
    }
  }

  @Test("equal weights are taken in turn") func equal() {
    let stride = StaticStride(StaticStride.scaled([2, 2, 2, 2]), start: 3)
    let turns = (0..<8).map { _ in stride.next().index }
    #expect(turns == [3, 0, 1, 2, 3, 0, 1, 2])
  }

  @Test("what is no weight weighs least, and never nothing") func nonsense() {
    #expect(StaticStride.scaled([.nan, -1, 0, 4]) == [1, 1, 1, 65_535])
    #expect(StaticStride.scaled([.infinity, 2]) == [1, 65_535])
    #expect(StaticStride.scaled([0, 0]) == [65_535, 65_535])
    #expect(StaticStride.scaled([.nan]) == [65_535])
    #expect(StaticStride.scaled([1e-300, 1e300]) == [1, 65_535])
  }

  @Test("another one goes on where the first one is") func position() {
    let weights = StaticStride.scaled([1, 2, 3])
    let whole = StaticStride(weights, start: 100)
    let first = StaticStride(weights, start: 100)
    var turns: [Int] = []
    for _ in 0..<50 { turns.append(first.next().index) }
    let second = StaticStride(weights, start: first.position)
    for _ in 0..<50 { turns.append(second.next().index) }
    #expect(turns == (0..<100).map { _ in whole.next().index })
  }
}
