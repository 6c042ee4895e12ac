import Synchronization

/// How many handshakes a server has in progress, and how many it may have: each costs a signature.
package final class HandshakeLimit: Sendable {
  private let limit: Int
  private let running = Atomic<Int>(0)

  package init(_ limit: Int) { self.limit = limit }

  /// One handshake in progress, from when it is made until it is let go of.
  package final class Slot: Sendable {
    private let owner: HandshakeLimit

    fileprivate init(_ owner: HandshakeLimit) { self.owner = owner }

    deinit { owner.running.subtract(1, ordering: .relaxed) }
  }

  /// Nil: there are as many as there may be.
  package func take() -> Slot? {
    guard running.add(1, ordering: .relaxed).newValue <= limit else {
      running.subtract(1, ordering: .relaxed)
      return nil
    }
    return Slot(self)
  }
}
