import Synchronization

/// Makes what belongs to a key when it is first asked for, and keeps it; beyond the limit, one stands for all further keys.
///
/// What is made is made outside of the lock, since a backend may do anything: two threads may make the same at once, and one of
/// the two is kept.
final class BoundedTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private struct State {
    var values: [Key: Value] = [:]
    var other: Value?
  }

  private let state = Mutex(State())
  private let limit: Int
  private let make: @Sendable (Key?) -> Value

  /// - Parameter make: With nil: for all others.
  init(limit: Int, make: @escaping @Sendable (Key?) -> Value) {
    self.limit = limit
    self.make = make
  }

  /// - Parameter key: Nil: what stands for the others.
  subscript(key: Key?) -> Value {
    let (found, isFull) = state.withLock { state -> (Value?, Bool) in
      guard let key else { return (state.other, true) }
      guard let value = state.values[key] else { return (nil, state.values.count >= limit) }
      return (value, false)
    }
    if let found { return found }
    return add(isFull ? nil : key)
  }

  private func add(_ key: Key?) -> Value {
    if key == nil, let other = state.withLock({ $0.other }) { return other }
    let made = make(key)
    return state.withLock { state in
      guard let key else {
        let kept = state.other ?? made
        state.other = kept
        return kept
      }
      let kept = state.values[key] ?? made
      if state.values.count < limit || state.values[key] != nil { state.values[key] = kept }
      return kept
    }
  }
}
