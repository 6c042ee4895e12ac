package import Synchronization

/// Tasks that wait for something to move on: a call, as a rule. A woken task looks at the state again: no value is handed over.
///
/// One waiter costs no allocation: that is every case but several tasks that read or write one call. Belongs to whatever
/// guards the state; who is in it is resumed, whatever comes, or the task waits for ever.
@frozen public struct WaiterList {
  /// A suspended task; resumed exactly once, and without a value.
  public typealias Waiter = UnsafeContinuation<Void, Never>

  @usableFromInline var first: Waiter?
  @usableFromInline var rest: [Waiter] = []

  /// Nobody waits; costs no allocation.
  @inlinable public init() {}

  /// Nobody waits.
  @inlinable public var isEmpty: Bool { first == nil }

  /// Adds a task that has suspended; whoever has the list has to resume it.
  @inlinable public mutating func add(_ waiter: Waiter) {
    if first == nil { first = waiter } else { rest.append(waiter) }
  }

  package mutating func add(contentsOf other: WaiterList) {
    if let waiter = other.first { add(waiter) }
    for waiter in other.rest { add(waiter) }
  }

  /// Empties the list; the caller resumes what it gets after it has let go of the call's lock.
  @inlinable public mutating func takeAll() -> WaiterList {
    defer { self = WaiterList() }
    return self
  }

  /// Resumes each task of the list, in the order in which they came; called once, on a list that `takeAll` gave.
  @inlinable public func resumeAll() {
    first?.resume()
    for waiter in rest { waiter.resume() }
  }
}

extension Mutex {
  /// Returns once `isOver`: at once where it is, else when who changes the state resumes the list, after it has let go of the lock.
  /// The waiting task's cancellation does not end it.
  package borrowing func wait(
    in list: any WritableKeyPath<Value, WaiterList> & Sendable, until isOver: @Sendable (inout Value) -> Bool
  ) async {
    await withUnsafeContinuation { (waiter: WaiterList.Waiter) in
      let waits = withLock { state in
        guard !isOver(&state) else { return false }
        state[keyPath: list].add(waiter)
        return true
      }
      if !waits { waiter.resume() }
    }
  }
}
