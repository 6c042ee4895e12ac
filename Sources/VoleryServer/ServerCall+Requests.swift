import VoleryEventLoops
import VoleryPrimitives
import VoleryTransport
public import VoleryTypes

// What the handler's side takes.
extension ServerCall {
  /// The one request of a method whose client does not stream, which is there before the handler starts: where the
  /// handler runs on the loop, it has it without waiting. Nil elsewhere.
  @usableFromInline func readyRequestBytes() throws(StatusError) -> [UInt8]? {
    guard loop.isCurrent, closeError == nil, let received = inbox.popFirst() else { return nil }
    stream.consume(received.bytes.count + MessageSink.prefixByteCount)
    return try inflate(received)
  }

  /// The same from anywhere.
  @usableFromInline func requestBytes() async throws(StatusError) -> [UInt8] {
    guard let received = try await nextMessage() else {
      throw StatusError(.unimplemented, "no request for \(method.path)")
    }
    return try inflate(received)
  }

  /// The next request's bytes of a client that streams; nil when it has finished.
  @usableFromInline func nextRequestBytes() async throws(StatusError) -> [UInt8]? {
    guard let received = try await nextMessage() else {
      interception.requestsEnded()
      return nil
    }
    return try inflate(received)
  }

  /// The next request's bytes; nil when the client has finished.
  func nextMessage() async throws(StatusError) -> ReceivedMessage? {
    while true {
      let step = loop.isCurrent ? takeMessage() : await hop { [self] in takeMessage() }
      switch step {
      case .message(let message): return message
      case .end: return nil
      case .failed(let error): throw error
      case .wait:
        if Task.isCancelled { throw StatusError(.cancelled, "the task that reads the requests was cancelled") }
        await suspend { call, waiter in
          guard call.inbox.isEmpty, !call.isHalfClosed, !call.isOver else { return false }
          call.readers.add(waiter)
          return true
        }
      }
    }
  }

  private enum ReadStep: Sendable {
    case message(ReceivedMessage)
    case end
    case wait
    case failed(StatusError)
  }

  private func takeMessage() -> ReadStep {
    if isOver { return .failed(over) }
    if let message = inbox.popFirst() {
      stream.consume(message.bytes.count + MessageSink.prefixByteCount)
      return .message(message)
    }
    return isHalfClosed ? .end : .wait
  }
}
