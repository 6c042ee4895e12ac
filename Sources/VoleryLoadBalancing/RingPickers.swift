import Synchronization

/// One after the other, from a random start: shares are exact. A subchannel that is full is passed over while another one
/// is not.
final class RoundRobinPicker: Picker {
  private let subchannels: [Subchannel]
  private let counter: Atomic<Int>

  init(_ subchannels: [Subchannel], seed: UInt64) {
    self.subchannels = subchannels
    counter = Atomic(Int(truncatingIfNeeded: seed >> 2))
  }

  func pick(for call: PickRequest) -> PickResult {
    let start = UInt(bitPattern: counter.wrappingAdd(1, ordering: .relaxed).oldValue)
    let count = UInt(subchannels.count)
    for offset in 0..<count {
      let subchannel = subchannels[Int((start &+ offset) % count)]
      if !subchannel.isFull, !subchannel.isEjected || subchannels.areMostlyEjected { return .pick(subchannel) }
    }
    return .pick(subchannels[Int(start % count)])
  }
}

/// The default: the next in the ring against one other at random; the other one wins only with strictly fewer calls
/// outstanding. A turn that was lost so is given back by one who has taken another's, as soon as that costs nothing: shares
/// stay even while all servers are alike, and a slow or hung one gets out of the way: round robin's evenness with least
/// request's protection (Docs/Balancing.md has the simulation).
final class RoundRobinLeastRequestPicker: Picker {
  private let subchannels: [Subchannel]
  private let counter: Atomic<Int>
  private let seed: UInt64

  init(_ subchannels: [Subchannel], seed: UInt64) {
    self.subchannels = subchannels
    self.seed = seed
    counter = Atomic(Int(truncatingIfNeeded: seed >> 2))
  }

  func pick(for call: PickRequest) -> PickResult {
    let turn = UInt(bitPattern: counter.wrappingAdd(1, ordering: .relaxed).oldValue)
    let count = UInt(subchannels.count)
    let next = turn % count
    let candidate = subchannels[Int(next)]
    guard count > 1 else { return .pick(candidate) }
    let other = subchannels[Int((next &+ 1 &+ UInt(mix(seed &+ UInt64(turn)) % UInt64(count - 1))) % count)]
    if candidate.isEjected, !subchannels.areMostlyEjected {
      return .pick(subchannels.standIn(from: UInt(mix(UInt64(turn)))))
    }
    if candidate.isFull, !other.isFull { return .pick(other) }
    if !candidate.isFull, other.isFull { return .pick(candidate) }
    let (own, others) = (candidate.outstandingCalls, other.outstandingCalls)
    guard others < own || others == own && candidate.owesTurn(to: other), !other.isMarked else {
      return .pick(candidate)
    }
    candidate.giveTurn(to: other)
    return .pick(other)
  }
}

/// The one with the fewest calls outstanding of a few distinct ones drawn at random (gRFC A48 draws with replacement, so
/// that a hung server keeps 1/N² of the calls for ever; distinct choices don't).
final class LeastRequestPicker: Picker {
  private let subchannels: [Subchannel]
  private let choiceCount: Int
  private let counter: Atomic<Int>

  init(_ subchannels: [Subchannel], choiceCount: Int, seed: UInt64) {
    self.subchannels = subchannels
    self.choiceCount = min(choiceCount, subchannels.count)
    counter = Atomic(Int(truncatingIfNeeded: seed))
  }

  func pick(for call: PickRequest) -> PickResult {
    var state = UInt64(UInt(bitPattern: counter.wrappingAdd(1, ordering: .relaxed).oldValue))
    var best: Subchannel?
    // A random start and a random stride: distinct by construction where the stride and the count have no common factor;
    // a few repeated draws do no harm where they have.
    state = mix(state)
    var index = state % UInt64(subchannels.count)
    var drawn: Set<UInt64> = []
    while drawn.count < choiceCount {
      if drawn.insert(index).inserted {
        let subchannel = subchannels[Int(index)]
        if best.map({ subchannel.outstandingCalls < $0.outstandingCalls }) ?? true { best = subchannel }
      }
      state = mix(state)
      index = state % UInt64(subchannels.count)
    }
    if best!.isEjected, !subchannels.areMostlyEjected { best = subchannels.standIn(from: UInt(mix(state))) }
    return .pick(best!)
  }
}

/// Any of them.
final class RandomPicker: Picker {
  private let subchannels: [Subchannel]
  private let counter: Atomic<Int>

  init(_ subchannels: [Subchannel], seed: UInt64) {
    self.subchannels = subchannels
    counter = Atomic(Int(truncatingIfNeeded: seed))
  }

  func pick(for call: PickRequest) -> PickResult {
    let turn = UInt64(UInt(bitPattern: counter.wrappingAdd(1, ordering: .relaxed).oldValue))
    let index = Int(mix(turn) % UInt64(subchannels.count))
    let drawn = subchannels[index]
    if drawn.isEjected, !subchannels.areMostlyEjected { return .pick(subchannels.standIn(from: UInt(mix(turn &+ 1)))) }
    return .pick(drawn)
  }
}
