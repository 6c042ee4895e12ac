/// Tasks that wait for a call to move on. A woken task looks at the call's state again: no value is handed over.
///
/// One waiter costs no allocation: that is every case but several tasks that read one call.
struct WaiterList {
  typealias Waiter = UnsafeContinuation<Void, Never>

  private var first: Waiter?
  private var rest: [Waiter] = []

  mutating func add(_ waiter: Waiter) {
    if first == nil { first = waiter } else { rest.append(waiter) }
  }

  mutating func add(contentsOf other: WaiterList) {
    if let waiter = other.first { add(waiter) }
    for waiter in other.rest { add(waiter) }
  }

  /// Empties the list; the caller resumes what it gets after it has let go of the call's lock.
  mutating func takeAll() -> WaiterList {
    defer { self = WaiterList() }
    return self
  }

  func resumeAll() {
    first?.resume()
    for waiter in rest { waiter.resume() }
  }
}
