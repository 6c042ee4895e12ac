import Synchronization

/// Random numbers for pickers, which are asked on many threads at once: no lock, and the same numbers for the same seed.
final class RandomSequence: Sendable {
  private let counter: Atomic<UInt64>

  init(seed: UInt64) { counter = Atomic(seed) }

  /// SplitMix64: a counter, and a function that mixes it.
  func next() -> UInt64 {
    var z = counter.wrappingAdd(0x9e37_79b9_7f4a_7c15, ordering: .relaxed).newValue
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// From 0 up to, and without, the limit, which is above 0.
  func next(below limit: UInt64) -> UInt64 { next().multipliedFullWidth(by: limit).high }

  /// From 0 up to, and without, 1.
  func nextFraction() -> Double { Double(next() >> 11) * 0x1p-53 }
}
