import Synchronization

/// Calls that run to one cluster, over all channels of a client (gRFC A32).
final class CallCounter: Sendable {
  private let count = Atomic<Int>(0)

  /// False, and nothing is counted, when there are `limit` already.
  func begin(limit: UInt32) -> Bool {
    guard count.add(1, ordering: .relaxed).newValue <= Int(limit) else {
      end()
      return false
    }
    return true
  }

  func end() { count.subtract(1, ordering: .relaxed) }
}
