package import DequeModule

/// First in, first out: what waits for its turn, anywhere in the package.
///
/// A single element, which is the normal case for the messages of a call, costs no allocation; more live in a ring, which
/// takes no more memory than what waits at once however many pass through, also where it is never empty. What a burst has
/// taken is given back as the queue gets short. Not thread-safe.
package struct Queue<Element>: ~Copyable {
  /// Nil when the queue is empty.
  @usableFromInline var head: Element?
  @usableFromInline var tail = UniqueDeque<Element>()

  /// A ring up to this size is kept for the next burst.
  @usableFromInline static var keptCapacity: Int { 1024 }

  @inlinable package init() {}

  @inlinable package var isEmpty: Bool { head == nil }
  @inlinable package var count: Int { head == nil ? 0 : 1 + tail.count }
  @inlinable package var first: Element? { head }

  /// Places that are there, taken or not: for tests.
  package var capacity: Int { tail.capacity }

  @inlinable package mutating func append(_ element: Element) {
    if head == nil {
      head = element
    } else {
      if tail.count == tail.capacity { grow() }
      tail.append(element)
    }
  }

  @inlinable package mutating func popFirst() -> Element? {
    guard let element = head.take() else { return nil }
    if !tail.isEmpty {
      head = tail.removeFirst()
      if tail.capacity > Queue.keptCapacity { shrinkIfSparse() }
    }
    return element
  }

  @usableFromInline mutating func grow() { tail.reallocate(capacity: max(8, tail.capacity * 2)) }

  /// Halves what is less than an eighth full, so that growing and shrinking cost a few moves for each element at most.
  @usableFromInline mutating func shrinkIfSparse() {
    guard tail.count < tail.capacity / 8 else { return }
    tail.reallocate(capacity: tail.capacity / 2)
  }
}
