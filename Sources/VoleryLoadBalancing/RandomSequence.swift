import Synchronization

/// Random numbers for pickers, which are asked on many threads at once: no lock, and the same numbers for the same seed.
final class RandomSequence: Sendable {
  private let counter: Atomic<UInt64>

  init(seed: UInt64) { counter = Atomic(seed) }

  /// SplitMix64: a counter, and a function that mixes it.
  func next() -> UInt64 { mix(counter.wrappingAdd(0x9e37_79b9_7f4a_7c15, ordering: .relaxed).oldValue) }

  /// From 0 up to, and without, the limit, which is above 0.
  func next(below limit: UInt64) -> UInt64 { next().multipliedFullWidth(by: limit).high }

  /// From 0 up to, and without, 1.
  func nextFraction() -> Double { Double(next() >> 11) * 0x1p-53 }
}
