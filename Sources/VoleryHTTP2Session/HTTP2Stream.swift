import CNGHTTP2
import VoleryPrimitives

/// One stream: subclass it to hear its events (which is why it is open and not package, the one way to say "subclass me").
/// Intents may be stated at any time on the connection's loop; after `closed` they do nothing.
///
/// More than 15 stored properties: every call has one, and each object more would be an allocation a call.
open class HTTP2Stream {  // Isolation: loop
  @exclusivity(unchecked) package internal(set) var id: Int32 = 0
  /// Nil before the stream is submitted and after it is closed.
  @exclusivity(unchecked) package internal(set) unowned(unsafe) var session: HTTP2Session?
  /// Its session's, without a way around by it.
  @exclusivity(unchecked) var nghttp2: OpaquePointer?
  @exclusivity(unchecked) var index = -1
  /// Its session's; valid until the stream is closed.
  @exclusivity(unchecked) var byteCounts: UnsafeMutablePointer<ByteCounts>?
  /// Bytes of messages that were received and that nobody has taken yet, halves of messages included.
  @exclusivity(unchecked) var receivedByteCount = 0
  /// Bytes whose credit nghttp2 has not been told to give back: it looks the stream up each time.
  @exclusivity(unchecked) var heldCredit = 0
  @exclusivity(unchecked) var hasGivenCredit = false
  /// Whether the headers have left this end: a request whose headers have not was never sent.
  @exclusivity(unchecked) package internal(set) var areHeadersSent = false
  @exclusivity(unchecked) package internal(set) var wasResetByPeer = false
  /// The peer has sent END_STREAM.
  @exclusivity(unchecked) package internal(set) var hasPeerEnded = false

  // The body that has to go out.
  @exclusivity(unchecked) var chunks = Queue<[UInt8]>()
  /// Bytes of the first chunk that have gone.
  @exclusivity(unchecked) var offset = 0
  /// What the DATA frame that nghttp2 is about to send points to.
  @exclusivity(unchecked) var payload: (chunk: [UInt8], range: Range<Int>)?
  @exclusivity(unchecked) package internal(set) var queuedByteCount = 0
  @exclusivity(unchecked) var isBodyComplete = false
  /// What was queued has been given up: nothing more of it is sent.
  @exclusivity(unchecked) var isBodyDiscarded = false
  @exclusivity(unchecked) var isDeferred = false
  /// Its body has come to more than one frame.
  @exclusivity(unchecked) var sharesTurns = false
  @exclusivity(unchecked) var trailers: HeaderList?
  @exclusivity(unchecked) var fixedTrailers: FixedHeaders?
  /// The queue had as many bytes as this or more, and `bodyDrained` has not been called since.
  @exclusivity(unchecked) var wantsDrained = false
  /// Set in `closed`: it may be used again once nobody refers to it (`HTTP2Session.takeSpareStream`).
  @exclusivity(unchecked) package final var isSpare = false
  private static let highWaterMark = 64 << 10
  /// Payloads from this size on are pointed to, not copied into nghttp2's frame.
  private static let pointedByteCount = 4 << 10

  /// A stream that belongs to no session yet.
  public init() {}

  // MARK: Events, for subclasses

  /// Headers or trailers are here; `block` is valid during the call only. Does nothing by default.
  open func headersReceived(_ block: borrowing HeaderBlock, endsStream: Bool) {}
  /// Of a client: the same, with a block of which a stream of this session has said that it knows what it means, and what it means
  /// is still that. Does nothing by default.
  open func usualHeadersReceived(endsStream: Bool) {}
  /// Bytes of the body are here, valid during the call only. Does nothing by default.
  open func dataReceived(_ bytes: UnsafeRawBufferPointer) {}
  /// The peer has ended its half: no more headers or data follow. Does nothing by default.
  open func endReceived() {}
  /// Less than half of the high-water mark waits to be sent, after it was more than all of it.
  open func bodyDrained() {}
  /// The frame that ends this end's half has gone out.
  open func endSent() {}
  /// Headers or trailers that were queued will never go out: the stream ends with INTERNAL_ERROR.
  open func headersNotSent(_ reason: String) { reset(.internalError) }
  /// The stream is over, exactly once: both ends are done (`noError`) or one reset it.
  open func closed(_ code: HTTP2ErrorCode) {}

  // MARK: Intents

  /// The most bytes of headers or trailers that the peer takes.
  package var maxSentHeaderListByteCount: Int { session?.maxSentHeaderListByteCount ?? 0 }

  package var isClosed: Bool { index < 0 }

  /// Sends response headers; `hasBody` false ends the stream with them.
  package func submitHeaders(_ headers: consuming HeaderList, hasBody: Bool) {
    headers.withEntries { submit($0, hasBody: hasBody) }
  }

  /// The same with headers that are fixed.
  package func submitHeaders(_ headers: FixedHeaders) { submit(headers.fields, hasBody: true) }

  private func submit(_ headers: UnsafeBufferPointer<nghttp2_nv>, hasBody: Bool) {
    guard !isClosed, let nghttp2 else { return }
    let code = withProvider(hasBody) {
      nghttp2_submit_response(nghttp2, id, headers.baseAddress, headers.count, $0)
    }
    if code != 0 { reset(.internalError) }
  }

  @inline(__always)
  func withProvider(_ hasBody: Bool, _ body: (UnsafePointer<nghttp2_data_provider>?) -> Int32) -> Int32 {
    guard hasBody else { return body(nil) }
    var provider = nghttp2_data_provider()
    provider.source.ptr = Unmanaged.passUnretained(self).toOpaque()
    provider.read_callback = HTTP2Callbacks.readBody
    return body(&provider)
  }

  /// Queues bytes of the body.
  package func sendBody(_ bytes: [UInt8]) {
    guard !isClosed, !isBodyComplete else { return }
    chunks.append(bytes)
    queuedByteCount &+= bytes.count
    byteCounts.unsafelyUnwrapped.pointee.queued &+= bytes.count
    if queuedByteCount >= HTTP2Stream.highWaterMark { wantsDrained = true }
    resume()
  }

  /// Has `bodyDrained` called once less than half of the high-water mark waits, however little was queued.
  package func tellWhenDrained() { wantsDrained = true }

  /// Ends the body without trailers.
  package func endBody() {
    guard !isClosed, !isBodyComplete else { return }
    isBodyComplete = true
    resume()
  }

  /// Ends the body with trailers.
  package func endBody(trailers: consuming HeaderList) {
    guard !isClosed, !isBodyComplete else { return }
    isBodyComplete = true
    self.trailers = consume trailers
    resume()
  }

  /// Ends the body with trailers that are fixed.
  package func endBody(trailers: FixedHeaders) {
    guard !isClosed, !isBodyComplete else { return }
    isBodyComplete = true
    fixedTrailers = trailers
    resume()
  }

  private func resume() {
    guard isDeferred, let nghttp2 else { return }
    isDeferred = false
    nghttp2_session_resume_data(nghttp2, id)
  }

  /// Gives flow-control credit back for received bytes; of a stream that has hardly begun, with the next ones, or never where it
  /// ends before. 0 gives back what is there.
  open func consume(_ byteCount: Int) {
    guard !isClosed, let session, let nghttp2 else { return }
    let credit = heldCredit &+ byteCount
    guard hasGivenCredit || credit >= session.leastStreamCredit || byteCount == 0 else {
      heldCredit = credit
      return
    }
    // From here on at once: a peer that has used up its window may wait for the last byte of it.
    hasGivenCredit = true
    heldCredit = 0
    nghttp2_session_consume_stream(nghttp2, id, credit)
  }

  /// Ends the stream. What was queued is let go of at once, though the RST_STREAM may have to wait as long as the peer reads
  /// nothing.
  package func reset(_ code: HTTP2ErrorCode) {
    guard !isClosed, let session else { return }
    // At NO_ERROR with nothing left, all of it is on its way.
    let keepsOutput = code == .noError && queuedByteCount == 0
    discardBody()
    if !keepsOutput { session.detachOutput() }
    nghttp2_submit_rst_stream(session.session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, code.rawValue)
  }

  /// The peer has ended the stream and needs no more of this end's half: what is left of it is let go of.
  package func abandonBody() {
    if queuedByteCount > 0 || !isBodyComplete { reset(.noError) }
  }

  /// Lets go of what was queued to be sent and is not in a frame yet.
  func discardBody() {
    isBodyComplete = true
    isBodyDiscarded = true
    if trailers != nil { trailers = nil }
    guard queuedByteCount > 0 || payload != nil else { return }
    byteCounts?.pointee.queued &-= queuedByteCount
    queuedByteCount = 0
    chunks = Queue()
    offset = 0
    // nghttp2 has begun a frame with it, which goes out as a whole.
    if let (chunk, range) = payload { payload = (Array(chunk[range]), 0..<range.count) }
  }

  // MARK: What nghttp2 asks

  /// Fills one DATA frame, or says that `takePayload` has what belongs into it.
  func readBody(
    _ buffer: UnsafeMutableRawBufferPointer, _ flags: UnsafeMutablePointer<UInt32>
  ) -> Int {
    let filled = copyOnlyChunk(into: buffer) ?? pointToPayload(buffer.count, flags) ?? copyChunks(into: buffer)
    queuedByteCount &-= filled
    byteCounts.unsafelyUnwrapped.pointee.queued &-= filled
    if chunks.isEmpty {
      if isBodyComplete, !isBodyDiscarded {
        endBody(flags, filled)
      } else if filled == 0 {
        isDeferred = true
        return Int(NGHTTP2_ERR_DEFERRED.rawValue)
      }
    }
    if !isBodyComplete || !chunks.isEmpty, !sharesTurns { shareTurns() }
    if wantsDrained, queuedByteCount < HTTP2Stream.highWaterMark / 2 {
      wantsDrained = false
      bodyDrained()
    }
    return filled
  }

  /// A server's streams send one after another, the oldest first (RFC 9218, 10); those with more than a frame take turns with
  /// each other, whatever the client says: one that never ends must not hold up the others.
  private func shareTurns() {
    sharesTurns = true
    guard let session, session.role == .server else { return }
    var priority = nghttp2_extpri(urgency: UInt32(NGHTTP2_EXTPRI_DEFAULT_URGENCY), inc: 1)
    _ = nghttp2_session_change_extpri_stream_priority(session.session, id, &priority, 1)
  }

  /// The normal case: a message that fits, and no more of them.
  @inline(__always)
  private func copyOnlyChunk(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
    guard offset == 0, queuedByteCount > 0, queuedByteCount < min(buffer.count, HTTP2Stream.pointedByteCount),
      chunks.count == 1, let chunk = chunks.popFirst()
    else { return nil }
    return chunk.withUnsafeBytes { bytes in
      buffer.copyMemory(from: bytes)
      return bytes.count
    }
  }

  private func pointToPayload(_ limit: Int, _ flags: UnsafeMutablePointer<UInt32>) -> Int? {
    guard let chunk = chunks.first, chunk.count - offset >= HTTP2Stream.pointedByteCount else { return nil }
    let range = offset..<min(chunk.count, offset + limit)
    payload = (chunk, range)
    flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
    advance(by: range.count, in: chunk)
    return range.count
  }

  private func copyChunks(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    var filled = 0
    while filled < buffer.count, let chunk = chunks.first {
      // A large one gets frames of its own.
      if filled > 0, chunk.count - offset >= HTTP2Stream.pointedByteCount { break }
      let taken = min(buffer.count - filled, chunk.count - offset)
      chunk.withUnsafeBytes { bytes in
        (buffer.baseAddress! + filled).copyMemory(from: bytes.baseAddress! + offset, byteCount: taken)
      }
      filled += taken
      advance(by: taken, in: chunk)
    }
    return filled
  }

  private func advance(by count: Int, in chunk: [UInt8]) {
    offset += count
    guard offset == chunk.count else { return }
    offset = 0
    _ = chunks.popFirst()
  }

  /// What the frame that goes out now has as its payload.
  func takePayload() -> (chunk: [UInt8], range: Range<Int>)? { payload.take() }

  /// The frame that is being made, with so many bytes, is the last one with any.
  private func endBody(_ flags: UnsafeMutablePointer<UInt32>, _ filled: Int) {
    flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
    if let fixedTrailers {
      // What is only pointed to has gone before trailers could stand behind it.
      let isCopied = filled > 0 && flags.pointee & NGHTTP2_DATA_FLAG_NO_COPY.rawValue == 0
      guard let session, !(isCopied && session.trailers.areDue(fixedTrailers, on: id)) else { return }
      session.trailers.expect(fixedTrailers, on: id)
      submit(trailers: fixedTrailers.fields, flags)
    } else if var trailers = trailers.take() {
      trailers.withEntries { submit(trailers: $0, flags) }
    }
  }

  private func submit(trailers: UnsafeBufferPointer<nghttp2_nv>, _ flags: UnsafeMutablePointer<UInt32>) {
    guard let nghttp2 else { return }
    flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
    let code = nghttp2_submit_trailer(nghttp2, id, trailers.baseAddress, trailers.count)
    if code != 0 { reset(.internalError) }
  }
}
