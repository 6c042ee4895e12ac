import Synchronization

/// Said once, heard by everybody.
final class StopSignal: Sendable {
  private let sent = Atomic<Bool>(false)

  var isSent: Bool { sent.load(ordering: .relaxed) }

  func send() { sent.store(true, ordering: .relaxed) }

  /// Returns when it was said, or after `limit`.
  func wait(atMost limit: Duration) async {
    let end = ContinuousClock.now.advanced(by: limit)
    while !isSent, .now < end { try? await Task.sleep(for: .milliseconds(10)) }
  }
}
