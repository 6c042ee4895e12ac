import Synchronization

/// What one reader has still to hear: one sign, whatever comes meanwhile, and what somebody has asked for before a mere hint. Any
/// thread.
package final class WaitingSign: Sendable {
  package enum Sign: Sendable {
    /// Somebody wants it.
    case asked
    /// It may have changed.
    case hint
  }

  /// Yields when there is something to `take`.
  package let news: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation
  private let sign = Mutex<Sign?>(nil)

  package init() { (news, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1)) }

  package func note(_ new: Sign) {
    sign.withLock { if $0 != .asked { $0 = new } }
    continuation.yield()
  }

  /// Nil: it was taken already.
  package func take() -> Sign? {
    sign.withLock { sign in
      defer { sign = nil }
      return sign
    }
  }

  /// Ends `news`.
  package func finish() { continuation.finish() }
}
