/// Shares turns out by weights, as evenly as whole turns can be: of any run of as many turns as the weights' sum, each has exactly
/// its own, and those of a light one stand apart from each other.
///
/// Each turn all get their weight as credit; the one with the most has the turn, and pays the sum for it.
package struct WeightedTurns: Sendable {
  private struct Entry {
    let index: Int
    let weight: Int
    var credit = 0
  }

  private var entries: [Entry]
  private let sum: Int

  /// Nil: none of them has a share, or one's weight is none.
  package init?(_ weights: [Int]) {
    guard weights.allSatisfy({ (0...WeightedTurns.most).contains($0) }) else { return nil }
    entries = weights.enumerated().filter { $0.element > 0 }.map { Entry(index: $0.offset, weight: $0.element) }
    sum = weights.reduce(0, +)
    guard sum > 0 else { return nil }
  }

  static let most = 1_000_000

  /// Whose turn it is.
  package mutating func next() -> Int {
    guard entries.count > 1 else { return entries[0].index }
    var best = 0
    for place in entries.indices {
      entries[place].credit += entries[place].weight
      if entries[place].credit > entries[best].credit { best = place }
    }
    entries[best].credit -= sum
    return entries[best].index
  }
}
