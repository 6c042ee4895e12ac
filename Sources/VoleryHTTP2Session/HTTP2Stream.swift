import CNGHTTP2

/// One stream: subclass it to hear its events (which is why it is open and not package, the one way to say "subclass me").
/// Intents may be stated at any time on the connection's loop; after `closed` they do nothing.
open class HTTP2Stream {
  @exclusivity(unchecked) package internal(set) var id: Int32 = 0
  /// Nil before the stream is submitted and after it is closed.
  @exclusivity(unchecked) package internal(set) unowned(unsafe) var session: HTTP2Session?
  @exclusivity(unchecked) var index = -1
  /// Whether the headers have left this end: a request whose headers have not was never sent.
  @exclusivity(unchecked) package internal(set) var areHeadersSent = false
  @exclusivity(unchecked) package internal(set) var wasResetByPeer = false

  // The body that has to go out, first in first out.
  @exclusivity(unchecked) private var chunks: [[UInt8]] = []
  @exclusivity(unchecked) private var firstChunk = 0
  @exclusivity(unchecked) private var offset = 0
  @exclusivity(unchecked) package private(set) var queuedByteCount = 0
  @exclusivity(unchecked) private var isBodyComplete = false
  @exclusivity(unchecked) private var isDeferred = false
  @exclusivity(unchecked) private var trailers: HeaderList?
  /// The queue had as many bytes as this or more, and `bodyDrained` has not been called since.
  @exclusivity(unchecked) private var wantsDrained = false
  private static let highWaterMark = 64 << 10

  public init() {}

  // MARK: Events, for subclasses

  open func headersReceived(_ block: borrowing HeaderBlock, endsStream: Bool) {}
  open func dataReceived(_ bytes: UnsafeRawBufferPointer) {}
  open func endReceived() {}
  /// Less than half of the high-water mark waits to be sent, after it was more than all of it.
  open func bodyDrained() {}
  /// Headers or trailers that end this end's half have gone out.
  open func endSent() {}
  /// The stream is over, exactly once: both ends are done (`noError`) or one reset it.
  open func closed(_ code: HTTP2ErrorCode) {}

  // MARK: Intents

  package var isClosed: Bool { index < 0 }

  /// Sends response headers; `hasBody` false ends the stream with them.
  package func submitHeaders(_ headers: HeaderList, hasBody: Bool) {
    guard !isClosed else { return }
    session?.submitResponse(self, headers, hasBody: hasBody)
  }

  /// Queues bytes of the body.
  package func sendBody(_ bytes: [UInt8]) {
    guard !isClosed, !isBodyComplete else { return }
    chunks.append(bytes)
    queuedByteCount += bytes.count
    if queuedByteCount >= HTTP2Stream.highWaterMark { wantsDrained = true }
    resume()
  }

  /// Ends the body, with trailers or without.
  package func endBody(trailers: consuming HeaderList? = nil) {
    guard !isClosed, !isBodyComplete else { return }
    isBodyComplete = true
    self.trailers = trailers
    resume()
  }

  private func resume() {
    guard isDeferred, let session else { return }
    isDeferred = false
    nghttp2_session_resume_data(session.session, id)
  }

  /// Gives flow-control credit back for received bytes.
  open func consume(_ byteCount: Int) {
    guard !isClosed, let session else { return }
    nghttp2_session_consume_stream(session.session, id, byteCount)
  }

  package func reset(_ code: HTTP2ErrorCode) {
    guard !isClosed, let session else { return }
    nghttp2_submit_rst_stream(session.session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, code.rawValue)
  }

  // MARK: What nghttp2 asks

  /// Fills one DATA frame.
  func readBody(
    _ buffer: UnsafeMutableRawBufferPointer, _ flags: UnsafeMutablePointer<UInt32>
  ) -> Int {
    var filled = 0
    while filled < buffer.count, firstChunk < chunks.count {
      let taken = chunks[firstChunk].withUnsafeBytes { chunk in
        let taken = min(buffer.count - filled, chunk.count - offset)
        UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: chunk[offset..<(offset + taken)]))
        return taken
      }
      filled += taken
      offset += taken
      if offset == chunks[firstChunk].count { dropFirstChunk() }
    }
    queuedByteCount -= filled
    if firstChunk == chunks.count {
      if isBodyComplete {
        endBody(flags)
      } else if filled == 0 {
        isDeferred = true
        return Int(NGHTTP2_ERR_DEFERRED.rawValue)
      }
    }
    if wantsDrained, queuedByteCount < HTTP2Stream.highWaterMark / 2 {
      wantsDrained = false
      bodyDrained()
    }
    return filled
  }

  private func endBody(_ flags: UnsafeMutablePointer<UInt32>) {
    flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
    guard let session, let trailers = trailers.take() else { return }
    flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
    trailers.withEntries { entries in
      _ = nghttp2_submit_trailer(session.session, id, entries.baseAddress, entries.count)
    }
  }

  private func dropFirstChunk() {
    chunks[firstChunk] = []
    offset = 0
    firstChunk += 1
    if firstChunk == chunks.count {
      chunks.removeAll(keepingCapacity: true)
      firstChunk = 0
    }
  }
}
