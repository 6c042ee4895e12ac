import Synchronization
import VoleryPlatform
import VoleryTypes

/// How long a server takes, as a moving average that believes bad news at once and good news slowly (Finagle's peak EWMA). A failed
/// call counts as a slow one, so that a server which fails fast does not look fast. Any thread, no lock.
final class PeakEWMARecord: Sendable {
  struct Settings: Hashable, Sendable {
    /// After so long what was seen counts for 1/e.
    var decay = Duration.seconds(10)
    /// What a failed call counts as, if it did not take longer.
    var failurePenalty = Duration.seconds(5)
  }

  /// The average in seconds, a Float's bits, over the milliseconds since the start.
  private let state: Atomic<UInt64>

  /// - Parameter now: Milliseconds since any start.
  init(now: UInt32) { state = Atomic(UInt64(now)) }

  private static func unpack(_ bits: UInt64) -> (average: Double, at: UInt32) {
    (Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits >> 32))), UInt32(truncatingIfNeeded: bits))
  }

  private static func weight(_ from: UInt32, _ now: UInt32, _ settings: Settings) -> Double {
    // Clocks that differ by a hair between threads must not look like 49 days.
    let age = Int32(bitPattern: now &- from)
    return age <= 0 ? 1 : exp(-Double(age) / 1000 / (settings.decay / .seconds(1)))
  }

  /// Seconds, as of now.
  func average(now: UInt32, _ settings: Settings) -> Double {
    let (average, at) = PeakEWMARecord.unpack(state.load(ordering: .relaxed))
    return average * PeakEWMARecord.weight(at, now, settings)
  }

  /// A call has ended after so many seconds.
  func ended(_ seconds: Double, failed: Bool, now: UInt32, _ settings: Settings) {
    let seconds = failed ? max(seconds, settings.failurePenalty / .seconds(1)) : seconds
    var old = state.load(ordering: .relaxed)
    while true {
      let (average, at) = PeakEWMARecord.unpack(old)
      let weight = PeakEWMARecord.weight(at, now, settings)
      let new = seconds > average * weight ? seconds : average * weight + seconds * (1 - weight)
      let bits = UInt64(Float(new).bitPattern) << 32 | UInt64(now)
      let (exchanged, current) = state.weakCompareExchange(expected: old, desired: bits, ordering: .relaxed)
      if exchanged { return }
      old = current
    }
  }
}

/// Of two servers at random the one with the smaller product of calls outstanding and `PeakEWMARecord`.
final class PeakEWMAPicker: Picker {
  private let subchannels: [Subchannel]
  private let records: [PeakEWMARecord]
  /// Of the subchannels: they depend on nothing else.
  private let results: [PickResult]
  private let settings: PeakEWMARecord.Settings
  private let now: @Sendable () -> ContinuousClock.Instant
  private let start: ContinuousClock.Instant
  private let random: RandomSequence

  /// - Parameters:
  ///   - records: Of the subchannels, in their order.
  ///   - start: From which records count.
  init(
    _ subchannels: [Subchannel], records: [PeakEWMARecord], settings: PeakEWMARecord.Settings,
    start: ContinuousClock.Instant, seed: UInt64, now: @escaping @Sendable () -> ContinuousClock.Instant
  ) {
    self.subchannels = subchannels
    self.records = records
    self.settings = settings
    self.start = start
    self.now = now
    random = RandomSequence(seed: seed)
    results = zip(subchannels, records).map { subchannel, record in
      .attempt(
        Pick(subchannel) { end in
          guard end.wasSent, CallBlame(end.code, end.origin) != .nobody else { return }
          record.ended(
            end.duration / .seconds(1), failed: CallBlame(end.code, end.origin).isServers,
            now: PeakEWMAPicker.milliseconds(start, now()),
            settings)
        })
    }
  }

  func pick(for call: PickRequest) -> PickResult { results[choose()] }

  static func milliseconds(_ start: ContinuousClock.Instant, _ now: ContinuousClock.Instant) -> UInt32 {
    let passed = start.duration(to: now).components
    return UInt32(truncatingIfNeeded: passed.seconds &* 1000 &+ passed.attoseconds / 1_000_000_000_000_000)
  }

  /// No server answers in so few seconds: nothing has ended yet, or too long ago.
  private static let unknown = 1e-6

  private func choose() -> Int {
    let count = subchannels.count
    guard count > 1 else { return 0 }
    let first = Int(random.next(below: UInt64(count)))
    let second = (first + 1 + Int(random.next(below: UInt64(count - 1)))) % count
    let (left, right) = (subchannels[first], subchannels[second])
    if left.isFull != right.isFull { return left.isFull ? second : first }
    // Once each: who asks after the pause has the probe.
    let (leftIsOut, rightIsOut) = (left.isEjected, right.isEjected)
    if leftIsOut != rightIsOut { return leftIsOut ? second : first }
    let time = PeakEWMAPicker.milliseconds(start, now())
    let (own, other) = (records[first].average(now: time, settings), records[second].average(now: time, settings))
    let (calls, others) = (Double(left.outstandingCalls + 1), Double(right.outstandingCalls + 1))
    // Where nothing is known of one of them, only calls outstanding can be compared: one that hangs from the start has no
    // average, and must not look fast for that.
    guard min(own, other) > PeakEWMAPicker.unknown else { return others < calls ? second : first }
    return other * others < own * calls ? second : first
  }
}

/// Keeps the records while pickers come and go. Used in the channel's domain only.
final class PeakEWMARecords {
  private let settings: PeakEWMARecord.Settings
  private let context: PolicyContext
  private let start: ContinuousClock.Instant
  private var records: [Int: PeakEWMARecord] = [:]

  init(_ settings: PeakEWMARecord.Settings, context: PolicyContext) {
    self.settings = settings
    self.context = context
    start = context.now()
  }

  func makePicker(_ subchannels: [Subchannel], _ seed: UInt64) -> any Picker {
    let now = PeakEWMAPicker.milliseconds(start, context.now())
    var kept: [Int: PeakEWMARecord] = [:]
    for subchannel in subchannels { kept[subchannel.id] = records[subchannel.id] ?? PeakEWMARecord(now: now) }
    records = kept
    return PeakEWMAPicker(
      subchannels, records: subchannels.map { kept[$0.id]! }, settings: settings, start: start, seed: seed,
      now: context.now)
  }
}
