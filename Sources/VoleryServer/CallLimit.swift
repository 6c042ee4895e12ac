import Synchronization

/// So many calls at once on all of a server's loops. Any thread.
final class CallLimit: Sendable {
  let count: Int
  private let taken = Atomic<Int>(0)

  init(_ count: Int) { self.count = count }

  /// A place for a call; false: there is none.
  func take() -> Bool {
    if taken.add(1, ordering: .relaxed).newValue <= count { return true }
    giveBack()
    return false
  }

  func giveBack() { taken.subtract(1, ordering: .relaxed) }
}
