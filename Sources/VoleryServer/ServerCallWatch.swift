import VoleryEventLoops
import VoleryObservation
import VoleryTypes

/// Counts what goes through a call's stream, and tells the call's observer. On the call's loop. Part of the call: where nobody
/// looks, it is nil.
struct ServerCallWatch: ~Copyable {
  private let observer: any ServerCallObserver
  private let startedAt: Moment
  /// Outlives its calls. Says that it is the observer that works now, so that the watchdog can name a slow one.
  private let activity: Unmanaged<LoopActivity>
  private var received = MessageCount()
  private var sent = MessageCount()
  private let hearsMessages: Bool
  /// What the client is told.
  private var answer: Status?

  /// Nil where nobody wants to hear of the call.
  ///
  /// - Parameter binding: What the observer wants to hold for the handler.
  @inline(__always)
  init?(
    _ call: any ObservedServerCallFacts, _ observer: borrowing any Observer, on loop: EventLoop,
    _ binding: inout HandlerBinding?
  ) {
    startedAt = Moment.now
    let activity = Unmanaged.passUnretained(loop.activity)
    let before = activity._withUnsafeGuaranteedRef { $0.turns(to: LoopActivity.observer) }
    guard let found = observer.callStarted(ObservedServerCall(call)) else {
      _ = activity._withUnsafeGuaranteedRef { $0.turns(to: before) }
      return nil
    }
    hearsMessages = found.hearsMessages
    if let wanted = found.handlerBinding { binding = wanted }
    _ = activity._withUnsafeGuaranteedRef { $0.turns(to: before) }
    self.activity = activity
    self.observer = found
  }

  @inline(__always)
  private func tell<Answer>(_ event: (any ServerCallObserver) -> Answer) -> Answer {
    activity._withUnsafeGuaranteedRef { activity in
      let before = activity.turns(to: LoopActivity.observer)
      defer { activity.turns(to: before) }
      return event(observer)
    }
  }

  /// With its size uncompressed, where somebody wants to know.
  @inline(__always)
  private func sized(_ message: ObservedMessage, _ uncompressed: () -> Int?) -> ObservedMessage {
    guard message.isCompressed, tell({ $0.hearsUncompressedSizes }) else { return message }
    return message.uncompressed(uncompressed())
  }

  /// - Parameter uncompressed: How many bytes a compressed one has for its sender; asked where somebody wants to know.
  @inline(__always)
  mutating func received(byteCount: Int, isCompressed: Bool, uncompressed: @autoclosure () -> Int?) {
    let message = received.add(byteCount: byteCount, isCompressed: isCompressed)
    guard hearsMessages else { return }
    let told = sized(message, uncompressed)
    tell { $0.received(told) }
  }

  func sent(_ initialMetadata: Metadata) {
    if hearsMessages { tell { $0.sent(initialMetadata) } }
  }

  @inline(__always)
  mutating func sent(byteCount: Int, isCompressed: Bool, uncompressed: @autoclosure () -> Int?) {
    let message = sent.add(byteCount: byteCount, isCompressed: isCompressed)
    guard hearsMessages else { return }
    let told = sized(message, uncompressed)
    tell { $0.sent(told) }
  }

  mutating func answers(_ status: Status) { answer = status }

  /// Once.
  ///
  /// - Parameter error: Nil: all of the answer was sent.
  mutating func ended(_ error: StatusError?) {
    let status: Status
    if let answer = answer.take() { status = answer } else { status = error?.status ?? .ok }
    let end = ServerCallEnd(
      status: status, isComplete: error == nil, nanoseconds: startedAt.nanoseconds(to: .now), received: received,
      sent: sent)
    tell { $0.ended(end) }
  }
}

/// A call that no handler gets, as observers are told of it.
final class RefusedCall: ObservedServerCallFacts {
  let server: ObservedServer
  let method: MethodDescriptor
  let isRegistered: Bool
  let sentMetadata: Metadata
  let peer: Peer
  let timeout: Duration?

  init(
    server: ObservedServer, method: MethodDescriptor, isRegistered: Bool, sentMetadata: Metadata, peer: Peer,
    timeout: Duration?
  ) {
    self.server = server
    self.method = method
    self.isRegistered = isRegistered
    self.sentMetadata = sentMetadata
    self.peer = peer
    self.timeout = timeout
  }
}
