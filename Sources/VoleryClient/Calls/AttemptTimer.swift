import VoleryTransport

/// The time until a call's next attempt: one loop timer on the channel's loop, made and cancelled from anywhere.
final class AttemptTimer: Sendable {
  private let loop: any TransportLoop
  private nonisolated(unsafe) var timer: (any TransportTimer)?  // Isolation: loop

  init(on loop: any TransportLoop) { self.loop = loop }

  func start(after delay: Duration, _ work: @escaping @Sendable () -> Void) {
    loop.execute { [self] in timer = loop.scheduleTimer(after: delay, work) }
  }

  func cancel() {
    loop.execute { [self] in timer.take()?.cancel() }
  }
}
