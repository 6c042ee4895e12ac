import VoleryTransport

/// What a call that waits to be tried again has on a loop: ends with the call, wherever that is ended.
final class RetryTimer: Sendable {
  private let loop: any TransportLoop
  /// On the loop only.
  nonisolated(unsafe) private var timer: (any TransportTimer)?

  /// On the loop.
  init(on loop: any TransportLoop, after delay: Duration, _ work: @escaping () -> Void) {
    self.loop = loop
    timer = loop.scheduleTimer(after: delay, work)
  }

  /// Any thread.
  func cancel() {
    loop.execute { [self] in timer.take()?.cancel() }
  }
}
