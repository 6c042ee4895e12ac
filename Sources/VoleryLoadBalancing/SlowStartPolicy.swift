import VoleryPlatform
import VoleryTypes

// For its maths library.

/// How much of its share a server gets that is new (as Envoy's slow start has it).
package struct SlowStart: Hashable, Sendable {
  /// For so long after its connection is ready.
  package var window = Duration.seconds(30)
  /// 1: grows in proportion to time; more: faster at first.
  package var aggression = 1.0
  /// Never less than this part of it.
  package var leastPart = 0.1

  package init() {}

  /// From `leastPart` to 1.
  package func part(after time: Duration) -> Double {
    guard window > .zero, time < window else { return 1 }
    return min(1, max(leastPart, pow(max(0, time / window), 1 / aggression)))
  }
}

/// `slow_start`: wraps any policy whose picks differ from call to call. A server that is new among others gets few calls at first,
/// and its share at the end of the window. Where all are new nobody has to wait.
struct SlowStartPolicy: WrappingPolicy {
  var child: ChildPolicy
  private let settings: SlowStart
  private let context: PolicyContext
  /// Of each that is ready, when it became so.
  private var since: [Int: ContinuousClock.Instant] = [:]
  private var isWarming = false

  init(child: any LoadBalancingPolicy, settings: SlowStart, context: PolicyContext) {
    self.child = ChildPolicy(child, name: "the child of slow_start")
    self.settings = settings
    self.context = context
  }

  mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    for change in changes {
      if change.state != .ready {
        since[change.id] = nil
      } else if since[change.id] == nil {
        since[change.id] = context.now()
      }
    }
    ask(&effects) { _ = $0.subchannelsChanged(changes, &$1) }
  }

  /// The newest one's window is over.
  mutating func timerFired(_ token: Int, _ effects: inout PolicyEffects) { publish(&effects) }

  mutating func heard(_ effects: inout PolicyEffects) {
    if child.takeNews() { publish(&effects) }
  }

  private mutating func publish(_ effects: inout PolicyEffects) {
    since = since.filter { child.subchannels[$0.key] != nil }
    let now = context.now()
    let oldest = since.values.min() ?? now
    // Those that came together with the first ones are not new.
    let warming = since.filter {
      oldest.duration(to: $0.value) > .seconds(1) && $0.value.duration(to: now) < settings.window
    }
    guard child.state == .ready, let last = warming.values.max() else {
      return effects.publish(child.state, child.picker)
    }
    effects.startTimer(token: 1, after: settings.window - last.duration(to: now) + .milliseconds(1))
    effects.publish(
      .ready,
      SlowStartPicker(
        child.picker, warming: warming, settings: settings, seed: context.random(), now: context.now))
  }
}

/// Asks again, a few times, while the answer is a server that has had its part.
final class SlowStartPicker: Picker {
  private static let maxRepeats = 4
  private let picker: any Picker
  private let warming: [Int: ContinuousClock.Instant]
  private let settings: SlowStart
  private let random: RandomSequence
  private let now: @Sendable () -> ContinuousClock.Instant

  init(
    _ picker: any Picker, warming: [Int: ContinuousClock.Instant], settings: SlowStart, seed: UInt64,
    now: @escaping @Sendable () -> ContinuousClock.Instant
  ) {
    self.picker = picker
    self.warming = warming
    self.settings = settings
    self.now = now
    random = RandomSequence(seed: seed)
  }

  func pick(for call: PickRequest) -> PickResult {
    var result = picker.pick(for: call)
    for _ in 0..<SlowStartPicker.maxRepeats {
      guard let subchannel = result.subchannel, let start = warming[subchannel.id],
        random.nextFraction() >= settings.part(after: start.duration(to: now()))
      else { return result }
      result.discard()
      result = picker.pick(for: call)
    }
    return result
  }
}
