import Synchronization

/// Who is next, where shares are by weight: as often as its weight says, as evenly spread as can be, from a random start, without
/// a lock (the static stride scheduler of gRFC A58's implementations). Any thread.
///
/// Each number that is counted is a server, in turn, and a round; in each round a server's turn comes or is passed over, so that
/// of `greatest` rounds it has as many as its weight. A turn takes as many steps on average as the greatest weight is times the
/// mean: with weights of one size no more than two.
package final class StaticStride: Sendable {
  /// What the heaviest weighs here.
  package static let greatest = 65_535

  /// Whose turn it is.
  package struct Turn {
    package let index: Int
    /// Another one each time.
    package let number: UInt64
  }

  /// 1 to `greatest`: shares below a 65,535th of the heaviest's are rounded up to that.
  package let weights: [UInt16]
  private let counter: Atomic<UInt64>

  /// - Parameters:
  ///   - weights: As `scaled` gives them, one at least.
  ///   - start: Where to begin; one that others have read from elsewhere, or random.
  package init(_ weights: [UInt16], start: UInt64) {
    self.weights = weights
    counter = Atomic(start)
  }

  /// Where it is now, for another one that goes on there.
  package var position: UInt64 { counter.load(ordering: .relaxed) }

  package func next() -> Turn {
    let count = UInt64(weights.count)
    let greatest = UInt64(StaticStride.greatest)
    while true {
      let number = counter.wrappingAdd(1, ordering: .relaxed).oldValue
      let (round, index) = number.quotientAndRemainder(dividingBy: count)
      let place = Int(truncatingIfNeeded: index)
      let weight = UInt64(weights[place])
      // Neighbours of the same weight are not passed over in the same round.
      let part = (weight &* round &+ index &* (greatest / 2)) % greatest
      if part >= greatest &- weight { return Turn(index: place, number: number) }
    }
  }

  /// Weights in proportion, the greatest one `greatest`. What is not above zero, or no number, counts as 1 of these.
  package static func scaled(_ weights: [Double]) -> [UInt16] {
    let most = weights.lazy.filter(\.isFinite).max() ?? 0
    guard most > 0 else { return weights.map { _ in UInt16(greatest) } }
    return weights.map { weight in
      guard weight.isFinite, weight > 0 else { return 1 }
      return UInt16(max(1, (weight / most * Double(greatest)).rounded()))
    }
  }
}

/// Draws at random by weight, in one step (an alias table, A. J. Walker 1977). Immutable.
struct WeightedDraw: Sendable {
  /// Of each place: how much of it is its own, of 2^32; the rest is another one's.
  private var own: [UInt64]
  private var other: [Int]

  /// - Parameter weights: One at least, none of them zero.
  init(_ weights: [UInt16]) {
    own = Array(repeating: 1 << 32, count: weights.count)
    other = Array(weights.indices)
    let mean = Double(weights.reduce(0) { $0 + Int($1) }) / Double(weights.count)
    var parts = weights.map { Double($0) / mean }
    var small = weights.indices.filter { parts[$0] < 1 }
    var large = weights.indices.filter { parts[$0] >= 1 }
    while let low = small.popLast(), let high = large.last {
      own[low] = UInt64(parts[low] * 0x1p32)
      other[low] = high
      parts[high] -= 1 - parts[low]
      if parts[high] < 1 { small.append(large.removeLast()) }
    }
  }

  /// - Parameter bits: 64 random ones.
  func index(_ bits: UInt64) -> Int {
    let place = Int((bits >> 32) % UInt64(own.count))
    return bits & 0xffff_ffff < own[place] ? place : other[place]
  }
}
