import VoleryEventLoops
package import VoleryHTTP2Session
package import VoleryTransport
package import VoleryTypes

/// A call as the server's end of a connection carries it.
package final class HTTP2ServerStream: ReceivingStream, ServerStream, ConnectionBoundStream {  // Isolation: loop
  private enum Phase { case waitingForHeaders, open, finished, closed }

  /// Alive as long as the phase is neither closed nor the stream abandoned.
  private let serverReference: Unmanaged<HTTP2ServerConnection>
  @exclusivity(unchecked) private var handler: (any ServerStreamHandler)?
  @exclusivity(unchecked) private var phase = Phase.waitingForHeaders
  @exclusivity(unchecked) private var areHeadersSubmitted = false
  @exclusivity(unchecked) private var hasReceivedEnd = false
  /// What every response begins with; nil: nothing that is fixed, as the request's content-type has this subtype.
  @exclusivity(unchecked) private var fixedHeaders: FixedHeaders?
  @exclusivity(unchecked) private var contentSubtype: String?
  /// Answered by an HTTP status: whoever sent it may not know gRPC.
  @exclusivity(unchecked) private var isNoCall = false
  /// Why the transport ended the call by itself.
  @exclusivity(unchecked) private var violation: StatusError?

  init(connection: HTTP2ServerConnection, maxMessageBytes: Int, windowByteCount: UInt32) {
    serverReference = Unmanaged.passUnretained(connection)
    super.init(connection: connection, maxMessageBytes: maxMessageBytes, windowByteCount: windowByteCount)
  }

  /// Where every call comes by, no reference is counted: `withServer`.
  private var server: HTTP2ServerConnection { serverReference.takeUnretainedValue() }
  @inline(__always)
  private func withServer<Result>(_ body: (HTTP2ServerConnection) -> Result) -> Result {
    serverReference._withUnsafeGuaranteedRef(body)
  }

  package var transportLoop: any TransportLoop { connection.loop }
  package var peer: Peer { connection.peer }
  package var isClientBehind: Bool {
    !isClosed && sessionQueuedByteCount > BufferLimits.share && server.isPeerBehind
  }
  package func whenClientCatchesUp(_ work: @escaping () -> Void) { server.holdBack(work) }
  package var lingeringHandlers: LingeringHandlers? { server.lingeringHandlers }

  // MARK: Events

  package override func headersReceived(_ block: borrowing HeaderBlock, endsStream: Bool) {
    if phase == .waitingForHeaders { requestReceived(block) }
    // A client's trailers say nothing in gRPC.
    if endsStream { endReceived() }
  }

  private func requestReceived(_ block: borrowing HeaderBlock) {
    phase = .open
    let memo = withServer { $0.lastRequest }
    if memo.isLike(block) {
      fixedHeaders = memo.responseHeaders
      if fixedHeaders == nil { contentSubtype = memo.head.contentSubtype }
      return beginCall(memo.path(in: block), memo.head)
    }
    let request = RequestHeaders(block, memo)
    contentSubtype = request.head.contentSubtype
    fixedHeaders = .response(contentSubtype)
    switch request.refusal {
    case .http(let status): refuse(httpStatus: status)
    case .grpc(let status): finish(status, trailingMetadata: Metadata())
    case nil: beginCall(request.path, request.head)
    }
  }

  @inline(__always)
  private func beginCall(_ path: UnsafeRawBufferPointer, _ head: ServerRequestHead) {
    if let refusal = withServer({ $0.refusalOfCalls }) { return finish(refusal, trailingMetadata: Metadata()) }
    handler = withServer { $0.acceptor.accept(path: path, head: head, stream: self) }
  }

  /// For people who come with a browser or curl.
  private func refuse(httpStatus status: StaticString) {
    isNoCall = true
    phase = .finished
    discardReceived()
    areHeadersSubmitted = true
    var headers = HeaderList()
    headers.append(":status", status)
    headers.append("content-type", "text/plain")
    headers.append("content-length", String(HTTP2ServerStream.noCallText.count))
    submitHeaders(headers, hasBody: true)
    sendBody(HTTP2ServerStream.noCallText)
    endBody()
    setNeedsFlush()
  }

  private static let noCallText = Array("This server speaks gRPC: POST with content-type application/grpc.\n".utf8)

  override func messageReceived(_ message: [UInt8], isCompressed: Bool) {
    guard phase == .open, let handler else { return super.consume(message.count + MessageSink.prefixByteCount) }
    handler.messageReceived(message, isCompressed: isCompressed)
  }

  override func bytesReceived(_ bytes: UnsafeRawBufferPointer) {
    guard phase == .open, let handler else { return super.consume(bytes.count) }
    handler.bytesReceived(bytes)
  }

  override func refused(_ failure: MessageDeframer.Failure) {
    switch failure {
    case .tooLarge(let count):
      violate(
        .resourceExhausted,
        "a message of \(count) bytes is over the server's limit of \(server.maxMessageBytes)")
    case .badFlag(let flag):
      violate(.internal, "a message starts with \(flag) where its compressed flag, 0 or 1, should be")
    }
  }

  override func refusedForMemory(_ reason: String) {
    guard phase == .open else { return }
    // Trailers would have to wait behind what the client does not take.
    guard queuedByteCount == 0 else {
      return end(with: .enhanceYourCalm, Status(code: .resourceExhausted, message: reason))
    }
    violate(.resourceExhausted, reason)
  }

  private func violate(_ code: StatusCode, _ message: String) {
    guard phase == .open else { return }
    let error = StatusError(code, message)
    violation = error
    let handler = handler.take()
    finish(error.status, trailingMetadata: Metadata())
    handler?.closed(error)
  }

  /// The server ends the call: its time is over.
  func cutOff(_ text: String) { violate(.unavailable, text) }

  package override func endReceived() {
    guard !hasReceivedEnd else { return }
    hasReceivedEnd = true
    guard phase == .open else { return }
    guard isAtMessageBoundary else { return violate(.internal, "the request ended within a message") }
    handler?.halfClosed()
  }

  package override func bodyDrained() { handler?.writable() }

  package override func endSent() {
    guard !hasReceivedEnd else { return }
    // The server is done before the client: tell it to stop, without an error (RFC 9113, 8.1).
    guard isNoCall else { return reset(.noError) }
    // Whoever does not know gRPC may end by itself, or show what else is wrong with its request.
    _ = server.loop.schedule(after: HTTP2ServerStream.patience) { [weak self] in
      guard let self, !isClosed else { return }
      reset(.noError)
      connection.setNeedsFlush()
    }
  }

  private static let patience = Duration.seconds(1)

  package override func closed(_ code: HTTP2ErrorCode) {
    let isComplete = phase == .finished && !wasResetByPeer
    if isComplete {
      withServer { $0.callEndedWell() }
    } else if wasResetByPeer, phase != .finished {
      handler?.resetByClient(code.rawValue)
      server.callWasReset(handler)
    }
    close(isComplete ? nil : StatusError(.cancelled, "the client cancelled the call (\(code))"))
  }

  func connectionLost(_ reason: String) {
    close(StatusError(.cancelled, "the connection to the client was lost: \(reason)"))
  }

  private func close(_ error: StatusError?) {
    guard phase != .closed else { return }
    phase = .closed
    // Whoever still has the stream needs no half of a message.
    if !hasReceivedEnd { discardReceived() }
    handler.take()?.closed(error)
    withServer { $0.streamEnded() }
  }

  // MARK: Intents

  package func sendInitialMetadata(_ metadata: Metadata, messageEncoding: String?) {
    guard phase == .open, !areHeadersSubmitted else { return }
    if metadata.isEmpty, messageEncoding == nil, let fixed = fixedHeaders {
      areHeadersSubmitted = true
      submitHeaders(fixed)
      return setNeedsFlush()
    }
    var headers = responseHeaders()
    if let messageEncoding { headers.append("grpc-encoding", messageEncoding) }
    MetadataCoding.append(metadata, to: &headers)
    if let excess = headers.excess(over: maxSentHeaderListByteCount) {
      return violate(.resourceExhausted, excess.text("initial"))
    }
    areHeadersSubmitted = true
    submitHeaders(headers, hasBody: true)
    setNeedsFlush()
  }

  package func send(_ frame: MessageFrame) {
    guard phase == .open else { return }
    if !areHeadersSubmitted { sendInitialMetadata(Metadata(), messageEncoding: nil) }
    sendBody(frame)
    setNeedsFlush()
  }

  package func finish(_ status: Status, trailingMetadata: Metadata) {
    guard phase == .open else { return }
    phase = .finished
    if !hasReceivedEnd || waitingByteCount > 0 { discardReceived() }
    if status.isOK, areHeadersSubmitted, trailingMetadata.isEmpty {
      endBody(trailers: .okTrailers)
      return setNeedsFlush()
    }
    var headers = areHeadersSubmitted ? HeaderList() : responseHeaders()
    append(status, to: &headers)
    MetadataCoding.append(trailingMetadata, to: &headers)
    if let excess = headers.excess(over: maxSentHeaderListByteCount) {
      headers = shortened(status, trailingMetadata, excess)
    }
    if areHeadersSubmitted {
      endBody(trailers: headers)
    } else {
      submitHeaders(headers, hasBody: false)
    }
    setNeedsFlush()
  }

  package func finishNow(_ status: Status) {
    guard phase != .closed else { return }
    guard queuedByteCount > 0 || connection.isBlocked else { return finish(status, trailingMetadata: Metadata()) }
    end(with: .cancel, status)
  }

  /// At once, whatever waits. `status` is for the handler's side: the client gets the code alone.
  private func end(with code: HTTP2ErrorCode, _ status: Status) {
    discardReceived()
    reset(code)
    setNeedsFlush()
    close(StatusError(status: status, origin: .local))
  }

  /// At once, and without a status: the handler has said so.
  func end(without code: HTTP2ErrorCode) {
    guard phase == .open || phase == .finished else { return }
    handler = nil
    end(with: code, Status(code: .cancelled))
  }

  /// What every response begins with; the content-type is the request's.
  private func responseHeaders() -> HeaderList {
    if let fixedHeaders { return HeaderList(fixedHeaders) }
    var headers = HeaderList()
    headers.append(":status", "200")
    headers.append("content-type", "application/grpc+\(contentSubtype ?? "")")
    return headers
  }

  /// The last headers of a call that are within what the client takes: the message is cut, and where metadata alone is over
  /// the limit, it is left out, which the message says.
  private func shortened(_ status: Status, _ metadata: Metadata, _ excess: HeaderExcess) -> HeaderList {
    let limit = maxSentHeaderListByteCount
    for keepsMetadata in [true, false] {
      var headers = areHeadersSubmitted ? HeaderList() : responseHeaders()
      if keepsMetadata { MetadataCoding.append(metadata, to: &headers) }
      let status =
        keepsMetadata || metadata.isEmpty
        ? status : status.without("trailing metadata", excess.text("trailing"), failingWith: .resourceExhausted)
      append(status, to: &headers, limit: limit)
      if headers.listByteCount <= limit || !keepsMetadata { return headers }
    }
    preconditionFailure("the second turn returns")
  }

  /// - Parameter limit: Of the whole list: the message is cut where it would pass it.
  private func append(_ status: Status, to headers: inout HeaderList, limit: Int = .max) {
    if status.isOK {
      headers.append("grpc-status", "0")
    } else {
      headers.append("grpc-status", String(status.code.rawValue))
    }
    guard !status.message.isEmpty else { return }
    var message = PercentEncoding.encode(status.message)
    let room = limit - headers.listByteCount - "grpc-message".utf8.count - 32
    if message.count > room { message = PercentEncoding.encode(status.message, cutTo: room) }
    if !message.isEmpty { message.withUnsafeBytes { headers.append("grpc-message", bytes: $0) } }
  }
}
