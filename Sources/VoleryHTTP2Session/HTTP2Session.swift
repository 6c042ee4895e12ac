import CNGHTTP2
import VoleryPlatform

/// One end of an HTTP/2 connection (RFC 9113) without any I/O: bytes in -> events, intents -> bytes out.
///
/// `feed` hands in what came from the peer and calls the delegate and the streams from inside; they may state intents
/// (submit, consume, reset), but must not call `feed` or `pull`. `pull` collects what has to go to the peer.
/// Not thread-safe: it belongs to its connection's loop.
package final class HTTP2Session {  // Isolation: loop
  package enum Role { case client, server }
  private static let clientPrefaceByteCount = 24

  package let role: Role
  /// It owns this session.
  package unowned(unsafe) let delegate: any HTTP2SessionDelegate
  let session: OpaquePointer
  /// Every stream that is open, or that waits to be opened; each knows its place.
  @exclusivity(unchecked) package private(set) var streams: ContiguousArray<HTTP2Stream> = []
  /// nghttp2 still points to them, and may be about to name one: this may be one of its callbacks.
  private var abandoned: ContiguousArray<HTTP2Stream> = []
  /// The block that is being received: blocks of one connection never interleave (RFC 9113, 4.3).
  @exclusivity(unchecked) private var block: HeaderBlock
  /// The stream that `block` is for, looked up once.
  @exclusivity(unchecked) private unowned(unsafe) var blockStream: HTTP2Stream?
  /// The stream that nghttp2 named last, and will name again before it comes to others, as a rule.
  @exclusivity(unchecked) private unowned(unsafe) var lastStream: HTTP2Stream?
  /// Of the request that is being submitted.
  @exclusivity(unchecked) private var requestHeaders = HeaderList()
  @exclusivity(unchecked) var output = HTTP2Output()
  /// `pull` asks for no more than so many bytes at a time.
  @exclusivity(unchecked) private var outputLimit = Int.max
  @exclusivity(unchecked) private var incoming: IncomingFrames
  /// A frame's header that has come in part.
  @exclusivity(unchecked) private var withheld: [UInt8] = []
  @exclusivity(unchecked) private var largeBlock: LargeBlock?
  /// Of the last block of more than one frame: bytes of literals that nghttp2 was not given.
  @exclusivity(unchecked) private var trimmedByteCount = 0
  /// A header block that goes on for longer than this ends the connection.
  private let maxBlockByteCount: Int
  private let memory: HTTP2Memory?
  private let gathersPayloads: Bool
  @exclusivity(unchecked) private var failure: HTTP2Failure?
  /// Of a server: more are refused.
  private let maxConcurrentStreams: Int
  /// Of the SETTINGS that were sent first, the place of SETTINGS_MAX_CONCURRENT_STREAMS' value; nil once they have gone.
  @exclusivity(unchecked) private var announcement: Announcement?
  /// RST_STREAM frames that have gone out, other than with NO_ERROR and CANCEL.
  @exclusivity(unchecked) package var resetsSent = 0

  /// The peer's SETTINGS_MAX_CONCURRENT_STREAMS; 100 is assumed before it has spoken.
  @exclusivity(unchecked) package private(set) var peerMaxConcurrentStreams: UInt32 = 100
  @exclusivity(unchecked) package private(set) var peerHasSentSettings = false
  /// The most bytes of a header block that may be sent: the peer's SETTINGS_MAX_HEADER_LIST_SIZE, within our own bound.
  @exclusivity(unchecked) package private(set) var maxSentHeaderListByteCount = HTTP2Settings.largestHeaderList
  /// HEADERS or DATA have gone out since somebody set this to false; each frame sets it.
  @exclusivity(unchecked) package var hasSentData = false
  /// The same for frames that came in, empty DATA aside.
  @exclusivity(unchecked) package var hasReceivedData = false
  let byteCounts = ByteCounts.make()
  /// SETTINGS that the peer has not acknowledged; the first is sent at once.
  var unacknowledgedSettings = 1

  /// - Parameters:
  ///   - memory: Shared by the sessions of a loop; malloc's otherwise.
  ///   - gathersPayloads: Large payloads are not copied: `pull` gives them as pieces of their own. For sockets.
  package init(
    role: Role, settings: HTTP2Settings, delegate: any HTTP2SessionDelegate, memory: HTTP2Memory? = nil,
    gathersPayloads: Bool = false
  ) {
    self.role = role
    self.delegate = delegate
    self.memory = memory
    self.gathersPayloads = gathersPayloads
    let isServer = role == .server
    self.incoming = IncomingFrames(isServer: isServer, leading: isServer ? HTTP2Session.clientPrefaceByteCount : 0)
    self.maxBlockByteCount = max(1 << 20, 2 * settings.maxHeaderListByteCount)
    self.maxConcurrentStreams = role == .server ? Int(settings.maxConcurrentStreams) : .max
    self.block = HeaderBlock(limit: settings.maxHeaderListByteCount)
    session = HTTP2Callbacks.makeSession(role, settings, memory)
    nghttp2_session_set_user_data(session, Unmanaged.passUnretained(self).toOpaque())
    if role == .client, settings.firstStreamID > 1 {
      nghttp2_session_set_next_stream_id(session, settings.firstStreamID)
    }
    submit(settings)
  }

  deinit {
    nghttp2_session_del(session)
    byteCounts.deallocate()
  }

  private func submit(_ settings: HTTP2Settings) {
    var entries = [
      setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings.streamWindowByteCount),
      setting(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UInt32(settings.maxHeaderListByteCount)),
    ]
    switch role {
    case .client: entries.append(setting(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
    case .server:
      announcement = Announcement(entryIndex: entries.count, value: settings.maxConcurrentStreams)
      entries.append(setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, Announcement.placeholder))
    }
    nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
    nghttp2_session_set_local_window_size(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, Int32(settings.connectionWindowByteCount))
  }

  func setting(_ id: nghttp2_settings_id, _ value: UInt32) -> nghttp2_settings_entry {
    nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: value)
  }

  // MARK: Bytes

  /// Takes bytes from the peer. Throws when the connection can't go on: `pull` what is left (a GOAWAY as a rule), then
  /// close.
  package func feed(_ bytes: UnsafeRawBufferPointer) throws(HTTP2Failure) {
    var rest = bytes
    if !withheld.isEmpty {
      let taken = rest.prefix(FrameHeader.byteCount - withheld.count)
      withheld += taken
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(taken.count))
      guard withheld.count == FrameHeader.byteCount else { return }
      let whole = withheld
      withheld = []
      try feed(whole)
    }
    repeat {
      if largeBlock != nil { try feedLargeBlock(&rest) }
      if largeBlock == nil { try feedFrames(&rest) }
    } while !rest.isEmpty
  }

  private func feed(_ bytes: [UInt8]) throws(HTTP2Failure) {
    // Typed throws do not pass through the closure.
    let result = bytes.withUnsafeBytes { bytes -> Result<Void, HTTP2Failure> in
      do throws(HTTP2Failure) { return .success(try feed(bytes)) } catch { return .failure(error) }
    }
    try result.get()
  }

  /// Gives nghttp2 what there is, up to a block of more than one frame.
  private func feedFrames(_ rest: inout UnsafeRawBufferPointer) throws(HTTP2Failure) {
    let bytes = rest
    var given = 0
    while let frame = incoming.nextSpecial(in: bytes, isOpen: { stream($0) != nil }) {
      // What comes before it first: that decides.
      if frame.start > given {
        try give(UnsafeRawBufferPointer(rebasing: bytes[given..<frame.start]))
        given = frame.start
      }
      if frame.isInQuestion { judge(frame.header) }
      if frame.beginsLargeBlock {
        largeBlock = LargeBlock(frame.header)
        rest = UnsafeRawBufferPointer(rebasing: bytes[(frame.start + FrameHeader.byteCount)...])
        return
      }
    }
    let end = bytes.count - incoming.finish(bytes)
    if end < bytes.count { withheld = Array(bytes[end...]) }
    if given < end { try give(UnsafeRawBufferPointer(rebasing: bytes[given..<end])) }
    rest = UnsafeRawBufferPointer(start: nil, count: 0)
  }

  private func feedLargeBlock(_ rest: inout UnsafeRawBufferPointer) throws(HTTP2Failure) {
    guard var large = largeBlock.take() else { return }
    var frames: [UInt8] = []
    large.take(&rest, &frames)
    guard large.byteCount <= maxBlockByteCount else { throw HTTP2Failure.endlessHeaders }
    trimmedByteCount = large.trimmedByteCount
    if large.isComplete {
      incoming.resume(leading: large.trailingByteCount)
    } else {
      largeBlock = large
    }
    let result = frames.withUnsafeBytes { bytes -> Result<Void, HTTP2Failure> in
      do throws(HTTP2Failure) { return .success(try give(bytes)) } catch { return .failure(error) }
    }
    try result.get()
  }

  /// A DATA or HEADERS frame has begun that may be for no open stream.
  private func judge(_ header: FrameHeader) {
    guard !incoming.isSettled(header, isOpen: stream(header.streamID) != nil) else { return }
    switch incoming.closedStreams.verdict(on: header.streamID, isHeaders: header.type == FrameHeader.headers) {
    case .pass: break
    case .resetStream(let code):
      nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), header.streamID, code.rawValue)
    case .endConnection(let code): terminate(code)
    }
  }

  private func give(_ bytes: UnsafeRawBufferPointer) throws(HTTP2Failure) {
    let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    let result = nghttp2_session_mem_recv(session, start, bytes.count)
    if let failure { throw failure }
    if result < 0 { throw HTTP2Failure(code: Int32(result)) }
  }

  /// Gives what has to go to the peer, in order, in pieces that are valid during the call, until about `limit` bytes are
  /// there. `body` returns how many bytes it has taken; the rest is what the next `pull` gives. Returns whether there may
  /// be more.
  package func pull(limit: Int, _ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Int) -> Bool {
    if output.isPartlyTaken {
      output.give(body)
      return true
    }
    outputLimit = limit
    var isComplete = false
    while output.byteCount < limit {
      var data: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &data)
      guard count > 0, let data else {
        // It also stops within a frame whose payload is over the limit.
        isComplete = output.byteCount < limit
        break
      }
      if let announcement { send(data, count, with: announcement) } else { output.append(data, count) }
    }
    if !output.isEmpty { output.give(body) }
    return !isComplete || !output.isEmpty
  }

  private func send(_ frame: UnsafePointer<UInt8>, _ count: Int, with announcement: Announcement) {
    var bytes = Array(UnsafeBufferPointer(start: frame, count: count))
    if announcement.write(into: &bytes) { self.announcement = nil }
    bytes.withUnsafeBytes { output.append($0.baseAddress!, count) }
  }

  /// Whether there is nothing left to do: after a GOAWAY and the last stream, or after a connection error.
  package var isFinished: Bool { nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0 }

  // MARK: Streams

  /// As many streams as the peer allows are open or wait.
  package var isFull: Bool { streams.count >= Int(peerMaxConcurrentStreams) }

  /// Whether a client can open no more streams, ever (RFC 9113, 5.1.1).
  package var isOutOfStreamIDs: Bool { nextStreamID > UInt32(Int32.max) }

  /// Of the next stream that a client opens.
  package var nextStreamID: UInt32 { nghttp2_session_get_next_stream_id(session) }

  /// Opens a stream with the headers that `build` adds; above the peer's limit it waits its turn. `hasBody` is false for a
  /// request that ends with its headers.
  package func submitRequest(
    _ stream: HTTP2Stream, hasBody: Bool = true, _ build: (inout HeaderList) -> Void
  ) throws(HTTP2Failure) {
    requestHeaders.removeAll()
    build(&requestHeaders)
    if let excess = requestHeaders.excess(over: maxSentHeaderListByteCount) { throw HTTP2Failure(excess) }
    add(stream)
    let data = Unmanaged.passUnretained(stream).toOpaque()
    let id = requestHeaders.withEntries { entries in
      withProvider(stream, hasBody) {
        nghttp2_submit_request(session, nil, entries.baseAddress, entries.count, $0, data)
      }
    }
    guard id > 0 else {
      remove(stream)
      throw HTTP2Failure(code: id)
    }
    stream.id = id
  }

  func submitResponse(_ stream: HTTP2Stream, _ headers: consuming HeaderList, hasBody: Bool) {
    headers.withEntries { submitResponse(stream, $0, hasBody: hasBody) }
  }

  func submitResponse(_ stream: HTTP2Stream, _ entries: UnsafeBufferPointer<nghttp2_nv>, hasBody: Bool) {
    let code = withProvider(stream, hasBody) {
      nghttp2_submit_response(session, stream.id, entries.baseAddress, entries.count, $0)
    }
    if code != 0 { stream.reset(.internalError) }
  }

  private func withProvider(
    _ stream: HTTP2Stream, _ hasBody: Bool, _ body: (UnsafePointer<nghttp2_data_provider>?) -> Int32
  ) -> Int32 {
    guard hasBody else { return body(nil) }
    var provider = nghttp2_data_provider()
    provider.source.ptr = Unmanaged.passUnretained(stream).toOpaque()
    provider.read_callback = HTTP2Callbacks.readBody
    return body(&provider)
  }

  private func add(_ stream: HTTP2Stream) {
    stream.session = self
    stream.byteCounts = byteCounts
    stream.index = streams.count
    streams.append(stream)
  }

  fileprivate func remove(_ stream: HTTP2Stream) {
    let index = stream.index
    guard index >= 0 else { return }
    let last = streams.removeLast()
    if index < streams.count {
      streams[index] = last
      last.index = index
    }
    stream.index = -1
    if lastStream === stream { lastStream = nil }
  }

  /// The connection is over: what anybody still says to its streams goes nowhere.
  package func abandonStreams() {
    for stream in streams {
      stream.discardBody()
      stream.noteTaken(.max)
      stream.index = -1
      stream.session = nil
    }
    abandoned = streams
    streams = []
    lastStream = nil
  }

  // MARK: Connection

  /// The GOAWAY that announces the end: no number is excluded yet (RFC 9113, 6.8).
  package func submitShutdownNotice() { nghttp2_submit_shutdown_notice(session) }

  /// The GOAWAY that ends: streams above the last one that was taken are refused.
  package func submitGoAway(_ code: HTTP2ErrorCode = .noError, debugData: String = "") {
    let last = nghttp2_session_get_last_proc_stream_id(session)
    let debug = Array(debugData.utf8)
    nghttp2_submit_goaway(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, code.rawValue, debug, debug.count)
  }

  package func submitPing(_ opaque: UInt64) {
    withUnsafeBytes(of: opaque) { bytes in
      _ = nghttp2_submit_ping(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), bytes.baseAddress!.assumingMemoryBound(to: UInt8.self))
    }
  }

  /// Ends the connection with an error of this end's making.
  package func terminate(_ code: HTTP2ErrorCode) { nghttp2_session_terminate_session(session, code.rawValue) }
}

// MARK: What nghttp2 calls

extension HTTP2Session {
  func beginHeaders(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
    block.removeAll()
    let id = frame.pointee.hd.stream_id
    if role == .server, frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
      guard streams.count < maxConcurrentStreams else {
        nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, HTTP2ErrorCode.refusedStream.rawValue)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
      }
      guard let stream = delegate.streamOpened() else { return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue }
      stream.id = id
      add(stream)
      nghttp2_session_set_stream_user_data(session, id, Unmanaged.passUnretained(stream).toOpaque())
      blockStream = stream
      lastStream = stream
    } else {
      blockStream = stream(id)
    }
    return 0
  }

  func header(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) { block.append(name, value) }

  /// A name or a value with a byte that HTTP does not allow (RFC 9113, 8.2.1): resets its stream, as elsewhere, except where
  /// the delegate wants to see it.
  func invalidHeader(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Int32 {
    guard delegate.acceptsAnyValue(of: name) else { return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue }
    header(name, value)
    return 0
  }

  func stream(_ id: Int32) -> HTTP2Stream? {
    if let lastStream, lastStream.id == id { return lastStream }
    guard let data = nghttp2_session_get_stream_user_data(session, id) else { return nil }
    let stream = Unmanaged<HTTP2Stream>.fromOpaque(data).takeUnretainedValue()
    // One that is abandoned is not named again.
    if stream.index >= 0 { lastStream = stream }
    return stream
  }

  func frameReceived(_ frame: UnsafePointer<nghttp2_frame>) {
    let header = frame.pointee.hd
    let isEnd = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    switch UInt32(header.type) {
    case NGHTTP2_DATA.rawValue:
      guard isEnd, let stream = stream(header.stream_id) else { return }
      stream.hasPeerEnded = true
      stream.endReceived()
    case NGHTTP2_HEADERS.rawValue:
      guard let stream = blockStream else { return }
      blockStream = nil
      if trimmedByteCount > 0 { block.omit(trimmedByteCount) }
      trimmedByteCount = 0
      hasReceivedData = true
      if isEnd { stream.hasPeerEnded = true }
      stream.headersReceived(block, endsStream: isEnd)
    case NGHTTP2_RST_STREAM.rawValue:
      stream(header.stream_id)?.wasResetByPeer = true
    case NGHTTP2_SETTINGS.rawValue where header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0:
      peerMaxConcurrentStreams = nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
      let limit = nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE)
      maxSentHeaderListByteCount = min(Int(limit), HTTP2Settings.largestHeaderList)
      peerHasSentSettings = true
      delegate.settingsReceived()
    case NGHTTP2_SETTINGS.rawValue: settingsAcknowledged()
    case NGHTTP2_PING.rawValue:
      let opaque = withUnsafeBytes(of: frame.pointee.ping.opaque_data) { $0.loadUnaligned(as: UInt64.self) }
      delegate.pingReceived(opaque, isAnswer: header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0)
    case NGHTTP2_GOAWAY.rawValue:
      let goaway = frame.pointee.goaway
      let debug = UnsafeBufferPointer(start: goaway.opaque_data, count: min(goaway.opaque_data_len, 256))
      delegate.goAwayReceived(
        HTTP2ErrorCode(rawValue: goaway.error_code), lastStreamID: goaway.last_stream_id,
        debugData: String(decoding: debug, as: UTF8.self))
    default: break
    }
  }

  func dataReceived(_ id: Int32, _ bytes: UnsafeRawBufferPointer) {
    // The connection's window is given back at once: one stream that nobody reads must not stop the others. What a
    // stream may hold is bounded by its own window.
    nghttp2_session_consume_connection(session, bytes.count)
    hasReceivedData = true
    guard let stream = stream(id) else { return }
    stream.dataReceived(bytes)
  }

  /// Takes over a DATA frame whose payload `stream` has pointed to; false: not now.
  func sendPayload(_ stream: HTTP2Stream, _ header: UnsafePointer<UInt8>) -> Bool {
    guard output.byteCount < outputLimit else { return false }
    guard let (chunk, range) = stream.takePayload() else {
      preconditionFailure("nghttp2 sends a payload that no stream has pointed to")
    }
    output.append(header, 9)
    if gathersPayloads {
      output.append(payload: chunk, range)
    } else {
      chunk.withUnsafeBytes { output.append($0.baseAddress! + range.lowerBound, range.count) }
    }
    return true
  }

  func dataSent(_ id: Int32, _ endsStream: Bool) {
    hasSentData = true
    // A client's streams do not want to know.
    if endsStream, role == .server { stream(id)?.endSent() }
  }

  func headersSent(_ id: Int32, _ endsStream: Bool) {
    hasSentData = true
    guard let stream = stream(id) else { return }
    stream.areHeadersSent = true
    if endsStream { stream.endSent() }
  }

  /// nghttp2 has dropped headers or trailers that were queued: their stream must not wait for them.
  func headersNotSent(_ id: Int32, _ error: Int32) {
    switch error {
    case NGHTTP2_ERR_STREAM_CLOSED.rawValue, NGHTTP2_ERR_STREAM_CLOSING.rawValue, NGHTTP2_ERR_STREAM_SHUT_WR.rawValue,
      NGHTTP2_ERR_SESSION_CLOSING.rawValue, NGHTTP2_ERR_START_STREAM_NOT_ALLOWED.rawValue:
      return  // The stream ends by itself, or the connection does.
    default: stream(id)?.headersNotSent(HTTP2Failure(code: error).description)
    }
  }

  func streamClosed(_ id: Int32, _ code: UInt32) {
    guard let stream = stream(id) else { return }
    withExtendedLifetime(stream) {
      if stream.queuedByteCount > 0 { stream.discardBody() }
      stream.noteTaken(.max)
      remove(stream)
      if role == .server, stream.wasResetByPeer || stream.hasPeerEnded {
        incoming.closedStreams.closed(id, byReset: stream.wasResetByPeer)
      }
      stream.closed(HTTP2ErrorCode(rawValue: code))
    }
  }

  func fail(_ failure: HTTP2Failure) { if self.failure == nil { self.failure = failure } }
}

/// What happens to a connection as a whole.
package protocol HTTP2SessionDelegate: AnyObject {
  /// A peer opens a stream (server only); nil refuses it.
  func streamOpened() -> HTTP2Stream?
  /// Whether a field of this name may have any bytes as its value, those that HTTP forbids too.
  func acceptsAnyValue(of name: UnsafeRawBufferPointer) -> Bool
  func settingsReceived()
  /// The peer keeps to all SETTINGS that were submitted.
  func settingsAcknowledged()
  func pingReceived(_ opaque: UInt64, isAnswer: Bool)
  func goAwayReceived(_ code: HTTP2ErrorCode, lastStreamID: Int32, debugData: String)
}
