import Synchronization
import VoleryLoadBalancing
import VoleryPlatform
import VoleryTypes

/// Counts the pickers that a channel has published.
package struct PickerGeneration: Hashable, Comparable, Sendable {
  fileprivate var number: UInt64

  static let first = PickerGeneration(number: 0)
  func next() -> PickerGeneration { PickerGeneration(number: number + 1) }

  package static func < (left: PickerGeneration, right: PickerGeneration) -> Bool { left.number < right.number }
}

/// Everything that a call needs to find its connection: an immutable snapshot of the control plane.
@usableFromInline final class PublishedPicker: Sendable {
  let picker: any Picker
  let state: ConnectivityState
  let generation: PickerGeneration
  let serviceConfig: ServiceConfig
  let hasMethodConfigs: Bool
  /// The picker with which it became known what holds for calls: the resolver has answered since the channel woke, or failed
  /// before it ever has. Nil: not yet. A call that was made before has to look again.
  let configuredAt: PickerGeneration?
  /// The connections of each ready subchannel.
  let offers: NumberTable<ConnectionOffer>
  /// True: a call has to wake the channel first.
  let isIdle: Bool
  /// A connection was lost and the name is being looked up again: what seems to fail may be about to come back elsewhere,
  /// so that calls wait for the answer.
  let awaitsResolution: Bool
  /// For error messages.
  let policyName: String
  /// Nil: the service config says how calls are made.
  let selector: (any ConfigSelector)?

  init(
    picker: any Picker, state: ConnectivityState, generation: PickerGeneration, serviceConfig: ServiceConfig,
    offers: NumberTable<ConnectionOffer> = NumberTable(), isIdle: Bool = false, awaitsResolution: Bool = false,
    policyName: String = "", selector: (any ConfigSelector)? = nil, configuredAt: PickerGeneration? = nil
  ) {
    self.picker = picker
    self.state = state
    self.generation = generation
    self.serviceConfig = serviceConfig
    self.hasMethodConfigs = serviceConfig.hasMethods
    self.offers = offers
    self.isIdle = isIdle
    self.awaitsResolution = awaitsResolution
    self.policyName = policyName
    self.selector = selector
    self.configuredAt = configuredAt
  }

  /// What the service config says of a method.
  func methodConfig(for method: MethodDescriptor) -> MethodConfig? { hasMethodConfigs ? serviceConfig[method] : nil }

  /// Whether calls that have seen the picker of this generation have to look: nobody has where the answer is to wait on, and
  /// nothing is known that they don't know.
  func concernsCalls(since generation: PickerGeneration) -> Bool {
    guard self.generation > generation else { return false }
    if let configuredAt, configuredAt > generation { return true }
    return !(picker is QueueingPicker && state == .connecting)
  }
}

/// A value that many threads read and one writes now and then: a copy behind a lock for each group of threads, so that
/// readers hardly ever meet.
final class StripedValue<Value: Sendable>: Sendable {
  private final class Stripe: Sendable {
    let value: Mutex<Value>
    init(_ value: sending Value) { self.value = Mutex(value) }
  }

  /// They live as long as this: nobody counts references to them.
  private let stripes: [Unmanaged<Stripe>]
  private static var count: Int { 16 }

  init(_ value: Value) { stripes = (0..<Self.count).map { _ in Unmanaged.passRetained(Stripe(value)) } }

  deinit { for stripe in stripes { stripe.release() } }

  var current: Value {
    // Thread descriptors lie pages apart: the low bits say nothing.
    let index = Int((ThreadCalls.currentID &* 0x9e37_79b9_7f4a_7c15) >> 60)
    return stripes[index]._withUnsafeGuaranteedRef { $0.value.withLock { $0 } }
  }

  func replace(with value: Value) {
    for stripe in stripes { stripe._withUnsafeGuaranteedRef { $0.value.withLock { $0 = value } } }
  }
}
