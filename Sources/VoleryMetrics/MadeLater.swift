import Synchronization

/// Made when it is first needed, so that the backend has no series of what has never happened. Two threads may make it at once; one
/// of the two is kept.
final class MadeLater<Value: Sendable>: Sendable {
  private let made = Mutex<Value?>(nil)
  private let make: @Sendable () -> Value

  init(_ make: @escaping @Sendable () -> Value) { self.make = make }

  var value: Value {
    if let found = made.withLock({ $0 }) { return found }
    let new = make()
    return made.withLock { made in
      let kept = made ?? new
      made = kept
      return kept
    }
  }
}
