import Synchronization
import VoleryHTTP2Transport
import VoleryPrimitives
import VoleryTransport
public import VoleryTypes

// What a call's caller sends and gets.
extension ClientCall {
  // MARK: Sending

  /// A framed message, compressed as the call's requests are unless `isCompressed` is false; what the serializer throws ends
  /// the call with INTERNAL, and a message over the limit with RESOURCE_EXHAUSTED.
  @inlinable func frame<Message>(
    _ message: Message, _ serializer: Serializer<Message>, isCompressed: Bool = true
  ) throws(StatusError) -> MessageFrame {
    var sink = MessageSink()
    do { try serializer.serialize(message, &sink) } catch { throw unserializable(error) }
    return try frame(sink.finish(), isCompressed: isCompressed)
  }

  @usableFromInline func frame(_ message: consuming MessageFrame, isCompressed: Bool) throws(StatusError)
    -> MessageFrame
  {
    if compression.code != 0, isCompressed { message = compression.compress(message) }
    let byteCount = message.messageByteCount
    guard byteCount <= maxRequestBytes else { throw fail(overLimit(byteCount)) }
    return message
  }

  @usableFromInline func unserializable(_ error: any Error) -> StatusError {
    if isIntercepted, let error = error as? StatusError { return fail(error) }
    return fail(StatusError(.internal, "a request message of \(method.path) can't be serialized: \(error)"))
  }

  /// Queues the one request of a call whose client does not stream.
  @usableFromInline func queue(_ frame: consuming MessageFrame) {
    let outbox = Outbox(only: frame)
    withState { $0.outgoing.outbox = outbox }
  }

  /// Queues one framed message; suspends while the server or the network does not keep up.
  func send(_ frame: MessageFrame) async throws(StatusError) {
    while true {
      switch withState({ $0.send(frame) }) {
      case .queued(let attempts): return flush(attempts)
      case .finished:
        throw StatusError(.failedPrecondition, "the request stream is finished: nothing may be sent after that").ofCall
      case .ended(let outcome):
        throw outcome.error
          ?? explained(
            StatusError(
              .failedPrecondition, "the call is over: the server answered before the end of the request stream")
          ).ofCall
      case .wait: await suspend { $0.waitToSend($1) }
      }
    }
  }

  func halfClose() {
    let (attempts, writers) = withState { $0.halfClose() }
    writers.resumeAll()
    flush(attempts)
  }

  private func flush(_ attempts: RunningAttempts.Unscheduled) {
    if let attempt = attempts.first { attempt.onLoop { attempt.flush() } }
    for attempt in attempts.rest { attempt.onLoop { attempt.flush() } }
  }

  // MARK: Receiving

  func initialMetadataReceived(_ metadata: Metadata, messageEncoding: String?, on attempt: CallAttempt) {
    guard
      let (abandoned, waiters) = withState({
        $0.initialMetadataReceived(metadata, messageEncoding: messageEncoding, on: attempt)
      })
    else { return }
    waiters.resumeAll()
    selection.load()?.commit()
    guard !abandoned.isEmpty else { return }
    abandon(abandoned)
    attempt.flush()
  }

  /// The next message; nil at the end of a call that ended with OK.
  func nextMessage() async throws(StatusError) -> ReceivedMessage? {
    while true {
      switch withState({ $0.receive() }) {
      case .message(let message, let credit, let attempt):
        if let attempt { attempt.onLoop { attempt.consume(credit) } }
        return message
      case .ended(let outcome):
        if let error = outcome.error { throw error }
        return nil
      case .wait: await suspend { $0.waitToReceive($1) }
      }
    }
  }

  func message<Message>(
    _ received: ReceivedMessage, _ serializer: Serializer<Message>
  ) throws(StatusError) -> Message {
    let bytes: [UInt8]
    do throws(StatusError) { bytes = try self.bytes(of: received) } catch { throw fail(error) }
    return try message(bytes, serializer, isCompressed: received.isCompressed)
  }

  /// A message's bytes as the server had them.
  func bytes(of received: ReceivedMessage) throws(StatusError) -> [UInt8] {
    try bytes(of: received, encoding: received.isCompressed ? withState { $0.incoming.encoding } : nil)
  }

  func bytes(of received: ReceivedMessage, encoding: String?) throws(StatusError) -> [UInt8] {
    received.isCompressed ? try inflate(received, encoding) : received.bytes
  }

  private func message<Message>(
    _ bytes: [UInt8], _ serializer: Serializer<Message>, isCompressed: Bool
  ) throws(StatusError) -> Message {
    wasResponseCompressed.store(isCompressed, ordering: .relaxed)
    do { return try serializer.deserialize(bytes) } catch { throw unreadable(error) }
  }

  @usableFromInline func unreadable(_ error: any Error) -> StatusError {
    if isIntercepted, let error = error as? StatusError { return fail(error) }
    return fail(StatusError(.internal, "a response message of \(method.path) can't be read: \(error)"))
  }

  private func inflate(_ received: ReceivedMessage, _ encoding: String?) throws(StatusError) -> [UInt8] {
    let name = encoding ?? Compression.identity.name
    guard let compression = Compression(name: name) else {
      throw StatusError(
        .internal, "a response is compressed with '\(String(foreign: name))', which the server was not offered")
    }
    return try compression.inflate(received, limit: terms.maxResponseBytes)
  }

  var isResponseCompressed: Bool { wasResponseCompressed.load(ordering: .relaxed) }

  /// Waits for the answer of a call whose server sends one message.
  func response<Message>(_ serializer: Serializer<Message>) async throws(StatusError) -> ClientResponse<Message> {
    await waitForVerdict()
    return try takeResponse(serializer)
  }

  /// The answer of a call that is over and whose server sends one message (doc/statuscodes.md: none is UNIMPLEMENTED). Once.
  @inlinable func takeResponse<Message>(_ serializer: Serializer<Message>) throws(StatusError) -> ClientResponse<
    Message
  > {
    let answer = try takeAnswer()
    let message: Message
    do { message = try serializer.deserialize(answer.bytes) } catch { throw unreadable(error) }
    return ClientResponse(message, answer)
  }

  @usableFromInline func takeAnswer() throws(StatusError) -> ResponseBytes {
    if let response = takeSettledResponse() { return response }
    guard let answer = withState({ $0.takeAnswer() }) else {
      preconditionFailure("a call was woken as if it had ended")
    }
    if let error = answer.outcome.error { throw error }
    guard let received = answer.message else {
      throw explained(
        StatusError(.unimplemented, "the server ended \(method.path) with OK and without a message")
      ).ofCall
    }
    let bytes: [UInt8]
    do throws(StatusError) {
      bytes = try self.bytes(of: received, encoding: answer.responseEncoding)
    } catch {
      throw explained(error).ofCall
    }
    return ResponseBytes(
      bytes: bytes, isCompressed: received.isCompressed, initialMetadata: answer.initialMetadata,
      trailingMetadata: answer.outcome.trailingMetadata, peer: answer.peer)
  }

  /// Waits for the server's initial metadata; a call that ended without any has an empty one, or throws how it ended.
  func initialMetadata() async throws(StatusError) -> Metadata {
    while true {
      let (metadata, verdict) = withState { ($0.incoming.metadata, $0.verdict) }
      if let metadata { return metadata }
      if let verdict {
        if let error = verdict.error { throw error }
        return Metadata()
      }
      await suspend { $0.waitForMetadata($1) }
    }
  }

  /// Waits for the end.
  func outcome() async -> StreamOutcome {
    while true {
      if let verdict = withState({ $0.verdict }) { return verdict }
      await suspend { $0.waitForVerdict($1) }
    }
  }

  /// Waits until it is certain what the caller gets.
  func waitForVerdict() async {
    // Interceptors' calls are woken when their attempts have ended, too.
    repeat { await suspend { $0.waitForVerdict($1) } } while isIntercepted && !withState { $0.hasVerdict }
  }

  /// The server of the current or last attempt; nil before the first.
  var peer: Peer? { withState { $0.lastPeer } }
}
