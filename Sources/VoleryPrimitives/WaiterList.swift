/// Tasks that wait for a call to move on. A woken task looks at the call's state again: no value is handed over.
///
/// One waiter costs no allocation: that is every case but several tasks that read or write one call. Belongs to whatever
/// guards the call's state; who is in it is resumed, whatever comes, or the task waits for ever.
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
