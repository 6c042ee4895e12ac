import Synchronization
import VoleryLoadBalancing
import VoleryTransport
import VoleryTypes

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Counts the pickers that a channel has published.
package struct PickerGeneration: Hashable, Comparable, Sendable {
  fileprivate var number: UInt64

  static let first = PickerGeneration(number: 0)
  func next() -> PickerGeneration { PickerGeneration(number: number + 1) }

  package static func < (left: PickerGeneration, right: PickerGeneration) -> Bool { left.number < right.number }
}

/// Everything that a call needs to find its connection: an immutable snapshot of the control plane.
final class PublishedPicker: Sendable {
  let picker: any Picker
  let state: ConnectivityState
  let generation: PickerGeneration
  let serviceConfig: ServiceConfig
  /// The connection of each ready subchannel.
  let connections: [Int: any ClientConnection]
  /// True: a call has to wake the channel first.
  let isIdle: Bool
  /// A connection was lost and the name is being looked up again: what seems to fail may be about to come back elsewhere,
  /// so that calls wait for the answer.
  let awaitsResolution: Bool
  /// The policy wants to hear how calls end.
  let observesCalls: Bool

  init(
    picker: any Picker, state: ConnectivityState, generation: PickerGeneration, serviceConfig: ServiceConfig,
    connections: [Int: any ClientConnection], isIdle: Bool, awaitsResolution: Bool, observesCalls: Bool
  ) {
    self.picker = picker
    self.state = state
    self.generation = generation
    self.serviceConfig = serviceConfig
    self.connections = connections
    self.isIdle = isIdle
    self.awaitsResolution = awaitsResolution
    self.observesCalls = observesCalls
  }
}

/// A value that many threads read and one writes now and then: a copy behind a lock for each group of threads, so that
/// readers hardly ever meet.
final class StripedValue<Value: Sendable>: Sendable {
  private final class Stripe: Sendable {
    let value: Mutex<Value>
    init(_ value: sending Value) { self.value = Mutex(value) }
  }

  private let stripes: [Stripe]
  private static var count: Int { 16 }

  init(_ value: Value) { stripes = (0..<Self.count).map { _ in Stripe(value) } }

  var current: Value {
    #if canImport(Glibc)
      let thread = UInt(pthread_self())
    #else
      let thread = UInt(bitPattern: pthread_self())
    #endif
    // Thread descriptors lie pages apart: the low bits say nothing.
    let index = Int((thread &* 0x9e37_79b9_7f4a_7c15) >> 60)
    return stripes[index].value.withLock { $0 }
  }

  func replace(with value: Value) {
    for stripe in stripes { stripe.value.withLock { $0 = value } }
  }
}
