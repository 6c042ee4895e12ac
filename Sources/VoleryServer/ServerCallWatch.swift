import VoleryEventLoops
import VoleryObservation
import VoleryTypes

/// Counts what goes through a call's stream, and tells the call's observer. On the call's loop.
final class ServerCallWatch {
  private let observer: any ServerCallObserver
  private let startedAt: Moment
  private unowned let loop: EventLoop
  private var received = MessageCount()
  private var sent = MessageCount()
  /// What the client is told.
  private var answer: Status?

  /// Nil where nobody wants to hear of the call.
  init?(_ call: ObservedServerCall, _ observer: any Observer, on loop: EventLoop) {
    startedAt = Moment.now
    guard let observer = loop.attributed(to: LoopActivity.observer, { observer.callStarted(call) }) else { return nil }
    self.observer = observer
    self.loop = loop
  }

  /// A slow observer is named by the watchdog.
  private func tell(_ what: (any ServerCallObserver) -> Void) {
    loop.attributed(to: LoopActivity.observer) { what(observer) }
  }

  func received(_ message: [UInt8], isCompressed: Bool) {
    let message = received.add(byteCount: message.count, isCompressed: isCompressed)
    tell { $0.received(message) }
  }

  func sent(_ initialMetadata: Metadata) { tell { $0.sent(initialMetadata) } }

  func sent(_ frame: MessageFrame) {
    let message = sent.add(byteCount: frame.messageByteCount, isCompressed: frame.isCompressed)
    tell { $0.sent(message) }
  }

  func answers(_ status: Status) { answer = status }

  /// - Parameter error: Nil: all of the answer was sent.
  func ended(_ error: StatusError?) {
    let end = ServerCallEnd(
      status: answer ?? error?.status ?? .ok, isComplete: error == nil, duration: startedAt.duration(to: .now),
      received: received, sent: sent)
    tell { $0.ended(end) }
  }
}
