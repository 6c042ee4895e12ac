package import VoleryHTTP2Session
import VoleryPrimitives
import VoleryTransport
package import VoleryTypes

/// A call attempt as the client's end of a connection carries it.
package final class HTTP2ClientStream: ReceivingStream, ClientStream, ConnectionBoundStream {  // Isolation: loop
  private enum Phase { case waitingForHeaders, open, ended }

  @exclusivity(unchecked) private var handler: (any ClientStreamHandler)?
  @exclusivity(unchecked) private var phase = Phase.waitingForHeaders
  @exclusivity(unchecked) private var maxMessageBytes: Int
  /// What the connection had received when this was opened.
  @exclusivity(unchecked) private var receptions: UInt32
  @exclusivity(unchecked) private var isBackground: Bool

  init(
    connection: HTTP2ClientConnection, handler: any ClientStreamHandler, maxMessageBytes: Int, windowByteCount: UInt32,
    receptions: UInt32, isBackground: Bool
  ) {
    self.handler = handler
    self.maxMessageBytes = maxMessageBytes
    self.receptions = receptions
    self.isBackground = isBackground
    super.init(connection: connection, maxMessageBytes: maxMessageBytes, windowByteCount: windowByteCount)
  }

  /// Of a stream that is over and that nobody refers to: another one of its connection.
  func renew(handler: any ClientStreamHandler, maxMessageBytes: Int, receptions: UInt32, isBackground: Bool) {
    self.handler = handler
    phase = .waitingForHeaders
    self.maxMessageBytes = maxMessageBytes
    self.receptions = receptions
    self.isBackground = isBackground
    renew(maxMessageBytes: maxMessageBytes)
  }

  private var client: HTTP2ClientConnection { unsafeDowncast(connection, to: HTTP2ClientConnection.self) }

  /// Nobody counts a reference to it.
  @inline(__always)
  private func withClient<Result>(_ body: (HTTP2ClientConnection) -> Result) -> Result {
    withConnection { body(unsafeDowncast($0, to: HTTP2ClientConnection.self)) }
  }

  /// What comes is handed over as bytes.
  func passBytes() { handOverBytes() }

  // MARK: Events

  package override func headersReceived(_ block: borrowing HeaderBlock, endsStream: Bool) {
    // Nearly all answers begin and end alike.
    withClient { client in
      switch phase {
      case .ended: return
      case .waitingForHeaders where !endsStream && client.usualBlocks.head.isSame(as: block):
        session?.meansTheUsual(for: self, endsStream: false)
        open(client.usualBlocks.head.metadata, messageEncoding: nil)
      case .open where client.usualBlocks.end.isSame(as: block):
        session?.meansTheUsual(for: self, endsStream: true)
        endedByPeer(StreamOutcome(okWith: client.usualBlocks.end.metadata))
      default: read(ResponseHeaders(block), of: block, endsStream: endsStream)
      }
    }
  }

  package override func usualHeadersReceived(endsStream: Bool) {
    withClient { client in
      switch phase {
      case .waitingForHeaders where !endsStream: open(client.usualBlocks.head.metadata, messageEncoding: nil)
      case .open where endsStream: endedByPeer(StreamOutcome(okWith: client.usualBlocks.end.metadata))
      // It has ended; nghttp2 lets nothing else through.
      default: return
      }
    }
  }

  private func read(_ headers: borrowing ResponseHeaders, of block: borrowing HeaderBlock, endsStream: Bool) {
    if phase == .waitingForHeaders {
      if let status = headers.httpStatus, (100..<200).contains(status) { return }
      if !endsStream, headers.beginsAsUsual {
        client.usualBlocks.head.remember(block, headers.metadata)
        session?.meansNothing(endsStream: false)
      }
      firstHeadersReceived(headers, endsStream: endsStream)
    } else {
      if headers.endsAsUsual {
        client.usualBlocks.end.remember(block, headers.metadata)
        session?.meansNothing(endsStream: true)
      }
      trailersReceived(headers, isTrailersOnly: false)
    }
  }

  private func firstHeadersReceived(_ headers: borrowing ResponseHeaders, endsStream: Bool) {
    if let excess = headers.excess {
      return fail(.resourceExhausted, "the server's initial metadata \(excess)")
    }
    guard headers.isGRPC || (endsStream && headers.hasStatus) else { return answeredByHTTP(headers) }
    if endsStream { return trailersReceived(headers, isTrailersOnly: true) }
    guard headers.httpStatus == 200 else { return answeredByHTTP(headers) }
    open(headers.metadata, messageEncoding: headers.messageEncoding)
  }

  private func open(_ metadata: Metadata, messageEncoding: String?) {
    phase = .open
    withClient { $0.streamServed() }
    handler?.initialMetadataReceived(metadata, messageEncoding: messageEncoding)
  }

  /// Something that does not speak gRPC has answered: a proxy, or a server for something else.
  private func answeredByHTTP(_ headers: borrowing ResponseHeaders) {
    let status = headers.httpStatus ?? 0
    let type = headers.contentType.map { "content-type '\(String(foreign: $0))'" } ?? "no content-type"
    let code = statusCode(httpStatus: status)
    fail(code, "the server answered with HTTP status \(status) and \(type), which is not gRPC", origin: .peer)
  }

  private func trailersReceived(_ headers: borrowing ResponseHeaders, isTrailersOnly: Bool) {
    if let excess = headers.excess {
      let said = headers.status.map { "; the call's own status was \($0.code)" } ?? ""
      return fail(.resourceExhausted, "the server's trailing metadata \(excess)\(said)")
    }
    let status =
      headers.status
      ?? Status(
        code: headers.httpStatus.map { $0 == 200 ? .unknown : statusCode(httpStatus: $0) } ?? .unknown,
        message: "the server ended the call without a grpc-status")
    if isTrailersOnly, status.code != .unavailable { client.streamServed() }
    var outcome = StreamOutcome(
      status: status, trailingMetadata: headers.metadata, origin: .peer, isTrailersOnly: isTrailersOnly)
    outcome.isServersOwn = headers.hasStatus
    endedByPeer(outcome)
  }

  private func endedByPeer(_ outcome: StreamOutcome) {
    abandonBody()
    if outcome.isOK, !isAtMessageBoundary { return fail(.internal, "the response ended within a message") }
    end(outcome)
  }

  override func messageReceived(_ message: [UInt8], isCompressed: Bool) {
    guard phase == .open else { return super.consume(message.count + MessageSink.prefixByteCount) }
    handler?.messageReceived(message, isCompressed: isCompressed)
  }

  override func bytesReceived(_ bytes: UnsafeRawBufferPointer) {
    guard phase == .open, let handler else { return super.consume(bytes.count) }
    handler.bytesReceived(bytes)
  }

  override func refused(_ failure: MessageDeframer.Failure) {
    switch failure {
    case .tooLarge(let count):
      fail(.resourceExhausted, "a message of \(count) bytes is over the client's limit of \(maxMessageBytes)")
    case .badFlag(let flag):
      fail(.internal, "a message starts with \(flag) where its compressed flag, 0 or 1, should be")
    }
  }

  /// It is a call, and the server has said nothing yet.
  var isUnanswered: Bool { phase == .waitingForHeaders && !isBackground }

  package override func endReceived() {
    guard phase != .ended else { return }
    fail(.internal, "the server ended the stream without trailers", origin: .peer)
  }

  package override func bodyDrained() { handler?.writable() }

  package override func closed(_ code: HTTP2ErrorCode) {
    withClient { $0.streamEnded(isBackground: isBackground) }
    guard phase != .ended else {
      isSpare = isThrough
      return
    }
    let processing: StreamOutcome.Processing =
      !areHeadersSent
      ? .neverSent
      : code == .refusedStream ? (client.hasLeftOut(id) ? .neverSent : .refused) : .possible
    let what = wasResetByPeer ? "the server reset the stream" : "the stream was closed"
    let outcome = StreamOutcome(
      status: Status(code: statusCode(reset: code), message: "\(what) with \(code)"), origin: .peer,
      processing: processing)
    end(wasResetByPeer ? outcome.with(resetCode: code.rawValue) : outcome)
  }

  /// Nothing was sent: the server may not be called by this name.
  func refuseAuthority(_ name: String) {
    guard phase != .ended else { return }
    let text = "the server's certificate is not for the call's authority \"\(name)\""
    end(StreamOutcome(status: Status(code: .unavailable, message: text), origin: .local))
  }

  /// Nothing was sent: the server does not take so much.
  func refuseHeaders(_ excess: HeaderExcess) {
    let text = MetadataExcess(
      "the request's metadata", byteCount: excess.byteCount, limit: excess.limit, of: "the server",
      largestKey: excess.largestName, largestByteCount: excess.largestByteCount)
    endUnsent(.resourceExhausted, text.description)
  }

  /// Nothing was sent: too much waits already.
  func refuseForMemory() {
    endUnsent(.resourceExhausted, "the channel is at its limit of bytes of messages that wait")
  }

  override func refusedForMemory(_ reason: String) {
    if phase != .ended { fail(.resourceExhausted, reason) }
  }

  package override func headersNotSent(_ reason: String) {
    endUnsent(.internal, "the request's headers can't be sent: \(reason)")
  }

  private func endUnsent(_ code: StatusCode, _ text: String) {
    guard phase != .ended else { return }
    end(StreamOutcome(status: Status(code: code, message: text), origin: .local, processing: .unsendable))
  }

  func connectionLost(_ reason: String) {
    guard phase != .ended else { return }
    end(
      StreamOutcome(
        status: Status(code: .unavailable, message: "the connection was lost: \(reason)"), origin: .local,
        processing: areHeadersSent ? .possible : .neverSent))
  }

  private func fail(_ code: StatusCode, _ message: String, origin: StatusError.Origin = .local) {
    discardReceived()
    reset(.cancel)
    connection.setNeedsFlush()
    end(StreamOutcome(status: Status(code: code, message: message), origin: origin))
  }

  private func end(_ outcome: StreamOutcome) {
    phase = .ended
    handler.take()?.closed(outcome)
  }

  // MARK: Intents

  package func send(_ frame: MessageFrame, endsStream: Bool) {
    guard phase != .ended else { return }
    sendBody(frame)
    if endsStream { endBody() }
    connection.setNeedsFlush()
  }

  package func halfClose() {
    guard phase != .ended else { return }
    endBody()
    connection.setNeedsFlush()
  }

  package func deadlinePassed() {
    let isWaiting = phase != .ended
    cancel()
    if isWaiting { client.deadlinePassed(openedAt: receptions) }
  }

  package func cancel() { cancel(.cancel) }

  package func cancel(resetCode: UInt32) { cancel(HTTP2ErrorCode(rawValue: resetCode)) }

  private func cancel(_ code: HTTP2ErrorCode) {
    handler = nil
    guard phase != .ended else { return }
    phase = .ended
    discardReceived()
    reset(code)
    connection.setNeedsFlush()
  }

  package func tellWhenWritable() { tellWhenDrained() }
}

// Only touched on its connection's loop; what crosses threads is a reference on its way there.
extension HTTP2ClientStream: @unchecked Sendable {}  // Isolation: loop
