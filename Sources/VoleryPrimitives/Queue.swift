public import DequeModule

/// First in, first out: what waits for its turn, anywhere in the package.
///
/// A single element, which is the normal case for the messages of a call, costs no allocation; more live in a ring, which
/// takes no more memory than what waits at once however many pass through, also where it is never empty. What a burst has
/// taken is given back as the queue gets short. Not thread-safe.
///
/// Public, like all that is called for each message: only that is specialised in the modules above.
@frozen public struct Queue<Element> {
  /// Nil when the queue is empty.
  @usableFromInline var head: Element?
  /// Nil until a second one has waited: all empty deques of a process are one object, whose references are counted, and each call
  /// has a few queues that stay empty.
  @usableFromInline var tail: Deque<Element>?
  /// The most elements that the ring has had since it was made.
  @usableFromInline var peak = 0

  /// A ring that has had no more than so many elements is kept for the next burst.
  @inlinable static var keptCount: Int { 512 }

  /// An empty queue; costs no allocation.
  @inlinable public init() {}

  /// True when nothing waits.
  @inlinable public var isEmpty: Bool { head == nil }
  /// How many elements wait.
  @inlinable public var count: Int { head == nil ? 0 : 1 + (tail?.count ?? 0) }
  /// The one that `popFirst` would give; nil when nothing waits.
  @inlinable public var first: Element? { head }

  /// How many elements the ring has memory for, at least: for tests.
  package var ringCount: Int { peak }

  /// Adds an element behind all others; the first one costs no allocation.
  @inlinable public mutating func append(_ element: Element) {
    if head == nil {
      head = element
    } else {
      appendBehind(element)
    }
  }

  @inlinable mutating func appendBehind(_ element: Element) {
    if tail == nil { tail = Deque() }
    tail!.append(element)
    if tail!.count > peak { peak = tail!.count }
  }

  /// Takes the element that has waited longest; nil when nothing waits.
  @inlinable public mutating func popFirst() -> Element? {
    guard let element = head.take() else { return nil }
    if tail != nil, !tail!.isEmpty {
      head = tail!.removeFirst()
      if peak > Queue.keptCount { shrinkIfSparse() }
    }
    return element
  }

  /// Once a ring is less than an eighth full it is made anew for what there is, which costs less than a move for each
  /// element that has gone.
  @inlinable @inline(never) mutating func shrinkIfSparse() {
    guard let waiting = tail, waiting.count < peak / 8 else { return }
    tail = Deque(waiting)
    peak = waiting.count
  }
}
