import VoleryEventLoops
import VoleryObservation
import VoleryTypes

/// Counts what goes through a call's stream, and tells the call's observer. On the call's loop.
final class ServerCallWatch {  // Isolation: loop
  private let observer: any ServerCallObserver
  private let startedAt: Moment
  /// Outlives its calls. Says that it is the observer that works now, so that the watchdog can name a slow one.
  private let activity: Unmanaged<LoopActivity>
  @exclusivity(unchecked) private var received = MessageCount()
  @exclusivity(unchecked) private var sent = MessageCount()
  /// What the observer wants to hold for the handler.
  let binding: HandlerBinding?
  private let hearsMessages: Bool
  /// What the client is told.
  @exclusivity(unchecked) private var answer: Status?

  /// Nil where nobody wants to hear of the call.
  init?(_ call: ObservedServerCall, _ observer: any Observer, on loop: EventLoop) {
    startedAt = Moment.now
    activity = .passUnretained(loop.activity)
    let before = activity._withUnsafeGuaranteedRef { $0.turns(to: LoopActivity.observer) }
    let found = observer.callStarted(call)
    binding = found?.handlerBinding
    hearsMessages = found?.hearsMessages ?? false
    activity._withUnsafeGuaranteedRef { _ = $0.turns(to: before) }
    guard let found else { return nil }
    self.observer = found
  }

  func received(_ message: borrowing [UInt8], isCompressed: Bool) {
    let message = received.add(byteCount: message.count, isCompressed: isCompressed)
    guard hearsMessages else { return }
    let before = activity._withUnsafeGuaranteedRef { $0.turns(to: LoopActivity.observer) }
    observer.received(message)
    activity._withUnsafeGuaranteedRef { _ = $0.turns(to: before) }
  }

  func sent(_ initialMetadata: Metadata) {
    guard hearsMessages else { return }
    let before = activity._withUnsafeGuaranteedRef { $0.turns(to: LoopActivity.observer) }
    observer.sent(initialMetadata)
    activity._withUnsafeGuaranteedRef { _ = $0.turns(to: before) }
  }

  func sent(_ frame: borrowing MessageFrame) {
    let message = sent.add(byteCount: frame.messageByteCount, isCompressed: frame.isCompressed)
    guard hearsMessages else { return }
    let before = activity._withUnsafeGuaranteedRef { $0.turns(to: LoopActivity.observer) }
    observer.sent(message)
    activity._withUnsafeGuaranteedRef { _ = $0.turns(to: before) }
  }

  func answers(_ status: Status) { answer = status }

  /// - Parameter error: Nil: all of the answer was sent.
  func ended(_ error: StatusError?) {
    let end = ServerCallEnd(
      status: answer ?? error?.status ?? .ok, isComplete: error == nil, nanoseconds: startedAt.nanoseconds(to: .now),
      received: received, sent: sent)
    let before = activity._withUnsafeGuaranteedRef { $0.turns(to: LoopActivity.observer) }
    observer.ended(end)
    activity._withUnsafeGuaranteedRef { _ = $0.turns(to: before) }
  }
}
