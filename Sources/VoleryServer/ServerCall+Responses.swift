import Synchronization
import VoleryEventLoops
import VoleryPrimitives
import VoleryTransport
public import VoleryTypes

/// What a handler says beside its responses. Most say nothing, which costs no lock. Any thread.
struct ResponseMetadata: ~Copyable {
  struct Fields {
    var initial = Metadata()
    var trailing = Metadata()
  }

  /// Nil until then.
  private let fields = Mutex<Fields?>(nil)
  /// Somebody has set one of them: whoever comes after him has been told so, or comes from where he was.
  private let isSet = Atomic<Bool>(false)

  var initial: Metadata {
    get { isSet.load(ordering: .acquiring) ? fields.withLock { $0?.initial ?? Metadata() } : Metadata() }
    nonmutating set { set { $0.initial = newValue } }
  }

  var trailing: Metadata {
    get { isSet.load(ordering: .acquiring) ? fields.withLock { $0?.trailing ?? Metadata() } : Metadata() }
    nonmutating set { set { $0.trailing = newValue } }
  }

  private func set(_ change: (inout Fields) -> Void) {
    fields.withLock { fields in
      var changed = fields.take() ?? Fields()
      change(&changed)
      fields = changed
    }
    isSet.store(true, ordering: .releasing)
  }
}

// What the handler's side sends.
extension ServerCall {
  /// Bytes that may wait in the transport before a writer has to.
  private static let highWaterMark = 64 << 10

  /// The handler of a method whose server does not stream has done what it should: sends its one response, and ends the call.
  /// Where there are interceptors, it is sent when they have come to an end.
  @inlinable func respond<Message>(_ response: Message, _ serializer: Serializer<Message>) throws(StatusError) {
    respond(try frame(response, serializer))
  }

  @usableFromInline func respond(_ frame: MessageFrame) {
    if isIntercepted { return hold(frame) }
    if loop.isCurrent { return finish(with: frame) }
    loop.execute { [self] in finish(with: frame) }
  }

  /// Keeps the one response until the interceptors have come to an end.
  func hold(_ frame: MessageFrame) {
    if loop.isCurrent { heldResponse = frame } else { loop.execute { [self] in heldResponse = frame } }
  }

  func sendResponse(_ frame: MessageFrame) {
    if loop.isCurrent { return sendNow(frame) }
    loop.execute { [self] in sendNow(frame) }
  }

  func sendInitialMetadata() {
    onLoop { [self] in
      guard !isFinished, !hasSentHeaders else { return }
      sendHeaders()
    }
  }

  private func sendHeaders() {
    hasSentHeaders = true
    let compression = responseCompression.fix()
    let initial = responseMetadata.initial
    if !initial.isEmpty, let violation = initial.responseViolation { return refuse(.internal, violation) }
    watch?.sent(initial)
    stream.sendInitialMetadata(initial, messageEncoding: compression == .identity ? nil : compression.name)
  }

  func sendNow(_ frame: MessageFrame) {
    guard !isFinished else { return }
    if !hasSentHeaders {
      sendHeaders()
      guard !isFinished else { return }
    }
    watch?.sent(
      byteCount: frame.messageByteCount, isCompressed: frame.isCompressed,
      uncompressed: inflatedByteCount(ofResponse: frame))
    stream.send(frame)
  }

  /// Sends a response where the handler runs on the loop. Returns whether that is all: false elsewhere, where nothing is
  /// sent, and above the high-water mark.
  @usableFromInline func sendOnLoop(_ frame: MessageFrame) throws(StatusError) -> Bool {
    guard loop.isCurrent else { return false }
    guard !isOver else { throw over }
    sendNow(frame)
    return stream.queuedByteCount < ServerCall.highWaterMark
  }

  /// What is left to do after that: sends the response from anywhere, and suspends above the high-water mark. Several tasks
  /// may do so at once.
  @usableFromInline func send(_ frame: MessageFrame) async throws(StatusError) {
    var step =
      loop.isCurrent
      ? writeStep
      : await hop { [self] in
        sendNow(frame)
        return writeStep
      }
    while true {
      switch step {
      case .goOn: return
      case .failed(let error): throw error
      case .wait:
        if Task.isCancelled { throw StatusError(.cancelled, "the task that writes the responses was cancelled") }
        await suspend { call, waiter in
          guard case .wait = call.writeStep else { return false }
          call.writers.add(waiter)
          return true
        }
        step = loop.isCurrent ? writeStep : await hop { [self] in writeStep }
      }
    }
  }

  private enum WriteStep: Sendable {
    case goOn
    case wait
    case failed(StatusError)
  }

  /// What a task does that has sent a response.
  private var writeStep: WriteStep {
    if isOver { return .failed(over) }
    return stream.queuedByteCount >= ServerCall.highWaterMark ? .wait : .goOn
  }

  var isOver: Bool { isFinished || closeError != nil }

  var over: StatusError { closeError ?? StatusError(.cancelled, "the call is over") }
}
