import Synchronization

/// Ready servers that are to get different shares.
package struct WeightedSubchannels {
  /// Two at least.
  package let subchannels: [Subchannel]
  /// Of each of them, in proportion; none of them zero.
  let weights: [UInt16]

  /// - Parameter weights: In proportion, of any size; above zero.
  init(_ subchannels: [Subchannel], weights: [Double]) {
    self.subchannels = subchannels
    self.weights = StaticStride.scaled(weights)
  }
}

/// `round_robin` by weight: shares are exact. A subchannel that is full or ejected is passed over while another one is not.
final class WeightedRoundRobinPicker: Picker {
  private let subchannels: [Subchannel]
  /// What is said of each of them.
  private let results: [PickResult]
  private let stride: StaticStride

  /// How often the one whose turn it is may be passed over before any other that will do is taken.
  private static let maxPasses = 4

  convenience init(_ weighted: WeightedSubchannels, seed: UInt64) {
    let stride = StaticStride(weighted.weights, start: seed & 0xffff_ffff)
    self.init(weighted.subchannels, results: weighted.subchannels.map { .pick($0) }, stride: stride)
  }

  init(_ subchannels: [Subchannel], results: [PickResult], stride: StaticStride) {
    self.subchannels = subchannels
    self.results = results
    self.stride = stride
  }

  func pick(for call: PickRequest) -> PickResult {
    let turn = stride.next()
    let subchannel = subchannels[turn.index]
    if subchannel.isFull { return another(than: turn) }
    if subchannel.isEjected, !subchannels.areMostlyEjected { return another(than: turn) }
    return results[turn.index]
  }

  /// Not a part of what most picks run through.
  @inline(never) private func another(than passed: StaticStride.Turn) -> PickResult {
    var turn = passed
    for _ in 1..<WeightedRoundRobinPicker.maxPasses {
      turn = stride.next()
      let subchannel = subchannels[turn.index]
      if !subchannel.isFull, !subchannel.isEjected || subchannels.areMostlyEjected { return results[turn.index] }
    }
    return results[subchannels.indexOfStandIn(from: UInt(mix(turn.number)))]
  }
}

/// The default by weight: the one whose turn it is against one other at random, by weight too; the other one wins only with fewer
/// calls outstanding for its weight. A turn that was lost so is given back as soon as the one that is owed it would be no busier
/// than the one that owes it: calls are so few for a small weight that the loads of two are hardly ever the same.
final class WeightedRoundRobinLeastRequestPicker: Picker {
  private let subchannels: [Subchannel]
  private let stride: StaticStride
  private let draw: WeightedDraw
  private let seed: UInt64

  init(_ weighted: WeightedSubchannels, seed: UInt64) {
    subchannels = weighted.subchannels
    stride = StaticStride(weighted.weights, start: seed & 0xffff_ffff)
    draw = WeightedDraw(weighted.weights)
    self.seed = seed
  }

  func pick(for call: PickRequest) -> PickResult {
    let turn = stride.next()
    let random = mix(seed &+ turn.number)
    let candidate = subchannels[turn.index]
    if candidate.isEjected, !subchannels.areMostlyEjected { return .pick(subchannels.standIn(by: draw, random)) }
    if candidate.isFull { return .pick(subchannels.standIn(by: draw, random)) }
    let drawn = draw.index(random)
    let other = subchannels[drawn]
    guard drawn != turn.index, !other.isFull, !other.isMarked else { return .pick(candidate) }
    let (weight, othersWeight) = (Int(stride.weights[turn.index]), Int(stride.weights[drawn]))
    let (own, others) = (candidate.outstandingCalls * othersWeight, other.outstandingCalls * weight)
    guard others < own || others <= own + othersWeight && candidate.owesTurn(to: other) else { return .pick(candidate) }
    candidate.giveTurn(to: other)
    return .pick(other)
  }
}

/// The one with the fewest calls outstanding for its weight of a few drawn at random by weight.
final class WeightedLeastRequestPicker: Picker {
  private let weighted: WeightedSubchannels
  private let choiceCount: Int
  private let draw: WeightedDraw
  private let counter: Atomic<UInt64>

  init(_ weighted: WeightedSubchannels, choiceCount: Int, seed: UInt64) {
    self.weighted = weighted
    self.choiceCount = choiceCount
    draw = WeightedDraw(weighted.weights)
    counter = Atomic(seed)
  }

  func pick(for call: PickRequest) -> PickResult {
    let subchannels = weighted.subchannels
    var random = mix(counter.wrappingAdd(1, ordering: .relaxed).oldValue)
    var best = draw.index(random)
    for _ in 1..<choiceCount {
      random = mix(random)
      let next = draw.index(random)
      let others = subchannels[next].outstandingCalls * Int(weighted.weights[best])
      if others < subchannels[best].outstandingCalls * Int(weighted.weights[next]) { best = next }
    }
    if subchannels[best].isEjected, !subchannels.areMostlyEjected {
      return .pick(subchannels.standIn(by: draw, mix(random)))
    }
    return .pick(subchannels[best])
  }
}

/// Any of them, by weight.
final class WeightedRandomPicker: Picker {
  private let subchannels: [Subchannel]
  private let draw: WeightedDraw
  private let counter: Atomic<UInt64>

  init(_ weighted: WeightedSubchannels, seed: UInt64) {
    subchannels = weighted.subchannels
    draw = WeightedDraw(weighted.weights)
    counter = Atomic(seed)
  }

  func pick(for call: PickRequest) -> PickResult {
    let random = mix(counter.wrappingAdd(1, ordering: .relaxed).oldValue)
    let drawn = subchannels[draw.index(random)]
    if drawn.isEjected, !subchannels.areMostlyEjected { return .pick(subchannels.standIn(by: draw, random)) }
    return .pick(drawn)
  }
}

extension [Subchannel] {
  /// One that nothing is held against and that has room, by weight where a few draws find one.
  fileprivate func standIn(by draw: WeightedDraw, _ random: UInt64) -> Subchannel {
    var random = random
    for _ in 0..<4 {
      random = mix(random)
      let drawn = self[draw.index(random)]
      if !drawn.isMarked, !drawn.isFull { return drawn }
    }
    return standIn(from: UInt(random))
  }
}
