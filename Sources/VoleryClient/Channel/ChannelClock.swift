/// Time and chance as a channel's control plane sees them; tests inject their own.
package struct ChannelClock: Sendable {
  package typealias Instant = ContinuousClock.Instant

  package var now: @Sendable () -> Instant
  /// Uniform, from 0 up to but not including 1.
  package var random: @Sendable () -> Double

  package init(now: @escaping @Sendable () -> Instant, random: @escaping @Sendable () -> Double) {
    self.now = now
    self.random = random
  }

  /// 64 random bits, for policies: a double has only 53.
  var randomBits: @Sendable () -> UInt64 {
    { [random] in UInt64(random() * 0x1p32) << 32 | UInt64(random() * 0x1p32) }
  }

  package static let system = ChannelClock(now: { .now }, random: { Double.random(in: 0..<1) })
}
