/// A buffer for what waits to be written, which goes round among the connections of a loop: one that has nothing to say has none,
/// and the next one finds it in the processor's cache. Not thread-safe.
package final class LentBuffer {
  private var buffer: UnsafeMutableRawPointer?
  private var capacity = 0

  package init() {}

  deinit { free(buffer) }

  /// A buffer of malloc's, and its capacity; nil: there is none at hand.
  package func take(_ capacity: inout Int) -> UnsafeMutableRawPointer? {
    guard let buffer = buffer.take() else { return nil }
    capacity = self.capacity
    return buffer
  }

  /// It is empty, and somebody else's from now on.
  package func giveBack(_ buffer: UnsafeMutableRawPointer, _ capacity: Int) {
    if let other = self.buffer {
      guard capacity > self.capacity else { return free(buffer) }
      free(other)
    }
    self.buffer = buffer
    self.capacity = capacity
  }
}
