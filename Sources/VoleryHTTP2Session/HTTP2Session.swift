import CNGHTTP2
import VoleryPlatform

/// One end of an HTTP/2 connection (RFC 9113) without any I/O: bytes in -> events, intents -> bytes out.
///
/// `feed` hands in what came from the peer and calls the delegate and the streams from inside; they may state intents
/// (submit, consume, reset), but must not call `feed` or `pull`. `pull` collects what has to go to the peer.
/// Not thread-safe: it belongs to its connection's loop.
///
/// More than 15 stored properties: nghttp2's callbacks get one pointer, and find here what every frame needs without a step in
/// between.
package final class HTTP2Session {  // Isolation: loop
  package enum Role { case client, server }

  package let role: Role
  /// It owns this session.
  package unowned(unsafe) let delegate: any HTTP2SessionDelegate
  let session: OpaquePointer
  /// Every stream that is open, or that waits to be opened; each knows its place.
  @exclusivity(unchecked) package private(set) var streams: ContiguousArray<HTTP2Stream> = []
  /// nghttp2 still points to them, and may be about to name one: this may be one of its callbacks.
  private var abandoned: ContiguousArray<HTTP2Stream> = []
  /// Streams that are over and that nobody else refers to: those that follow need no memory of their own.
  @exclusivity(unchecked) private var spareStreams: ContiguousArray<HTTP2Stream> = []
  private static let maxSpareStreams = 128
  /// The block that is being received: blocks of one connection never interleave (RFC 9113, 4.3).
  @exclusivity(unchecked) var block: HeaderBlock
  /// The stream that `block` is for, looked up once.
  @exclusivity(unchecked) var blockStream: Unmanaged<HTTP2Stream>?
  /// The stream that nghttp2 named last, and will name again before it comes to others, as a rule.
  @exclusivity(unchecked) var lastStream: Unmanaged<HTTP2Stream>?
  @exclusivity(unchecked) var lastStreamID: Int32 = -1
  /// Of a server: `block` was received for this stream, and has not changed since; 0: it has.
  @exclusivity(unchecked) var wholeBlockStreamID: Int32 = 0
  /// The block that nghttp2 reads now begins with fields that stand for so many of `block`, which end there.
  @exclusivity(unchecked) var shortBlock: (fieldCount: Int, end: Int)?
  /// Of them: those that are still to come.
  @exclusivity(unchecked) var shortFieldsLeft = 0
  @exclusivity(unchecked) var repeatedBlock = RepeatedBlock()
  @exclusivity(unchecked) var trailers = UsualTrailers()
  /// Of the request that is being submitted.
  @exclusivity(unchecked) private var requestHeaders = HeaderList()
  @exclusivity(unchecked) var usualRequests = UsualRequests()
  @exclusivity(unchecked) var answers = UsualAnswers()
  /// The block that nghttp2 reads now stands for the usual one.
  @exclusivity(unchecked) var isAnswerUsual = false
  @exclusivity(unchecked) var output: HTTP2Output
  /// Of a DATA frame that `pull` had no room for.
  @exclusivity(unchecked) var withheldHeader = WithheldHeader()
  /// `pull` asks for no more than so many bytes at a time.
  @exclusivity(unchecked) var outputLimit = Int.max
  @exclusivity(unchecked) var input: HTTP2Input
  private let memory: HTTP2Memory?
  /// Where nghttp2's table of streams is at first; nil: in no page of its own.
  private let table: UnsafeMutableRawPointer?
  @exclusivity(unchecked) private var wasUsed = false
  /// A stream was opened since the session rested. (Computed, for `Socket.waitingByteCount`'s reason.)
  package var isInUse: Bool { wasUsed }
  @exclusivity(unchecked) package private(set) var openedStreamCount = 0
  let gathersPayloads: Bool
  @exclusivity(unchecked) var failure: HTTP2Failure?
  /// Of a server: more are refused.
  let maxConcurrentStreams: Int
  /// Of the SETTINGS that were sent first, the place of SETTINGS_MAX_CONCURRENT_STREAMS' value; nil once they have gone.
  @exclusivity(unchecked) var announcement: Announcement?
  /// RST_STREAM frames that have gone out, other than with NO_ERROR and CANCEL.
  @exclusivity(unchecked) var resetsSent = 0

  /// The peer's SETTINGS_MAX_CONCURRENT_STREAMS; 100 is assumed before it has spoken.
  @exclusivity(unchecked) package internal(set) var peerMaxConcurrentStreams: UInt32 = 100
  @exclusivity(unchecked) package internal(set) var peerHasSentSettings = false
  /// The most bytes of a header block that may be sent: the peer's SETTINGS_MAX_HEADER_LIST_SIZE, within our own bound.
  @exclusivity(unchecked) package internal(set) var maxSentHeaderListByteCount = HTTP2Settings.largestHeaderList
  /// HEADERS or DATA have gone out since somebody set this to false; each frame sets it.
  @exclusivity(unchecked) package var hasSentData = false
  /// The same for frames that came in, empty DATA aside.
  @exclusivity(unchecked) package var hasReceivedData = false
  let byteCounts = ByteCounts.make()
  /// Less credit than this is given back with more: parts of a window that is given back by halves.
  let leastStreamCredit: Int
  private let leastConnectionCredit: Int
  @exclusivity(unchecked) private var heldConnectionCredit = 0
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
    self.output = HTTP2Output(memory)
    self.gathersPayloads = gathersPayloads
    self.input = HTTP2Input(isServer: role == .server, settings)
    leastStreamCredit = min(1 << 10, Int(settings.streamWindowByteCount) / 4)
    leastConnectionCredit = min(16 << 10, Int(settings.connectionWindowByteCount) / 4)
    self.maxConcurrentStreams = role == .server ? Int(settings.maxConcurrentStreams) : .max
    self.block = HeaderBlock(limit: settings.maxHeaderListByteCount, remembers: role == .server)
    var table: UnsafeMutableRawPointer?
    session = HTTP2Callbacks.makeSession(role, settings, memory, table: &table)
    self.table = table
    nghttp2_session_set_user_data(session, Unmanaged.passUnretained(self).toOpaque())
    if role == .client, settings.firstStreamID > 1 {
      nghttp2_session_set_next_stream_id(session, settings.firstStreamID)
    }
    // The preface lies where the first frame of any other session will.
    if role == .client { takeFrame() }
    submit(settings)
  }

  deinit {
    // It holds blocks of the session's memory.
    block.letGo()
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
      // No tree of priorities is kept then, which RFC 9113 has given up and no client of gRPC's asks for (RFC 9218, 2.1):
      // `HTTP2Stream.shareTurns` says how streams take turns instead.
      entries.append(setting(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1))
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

  // MARK: Streams

  /// Whether there is nothing left to do: after a GOAWAY and the last stream, or after a connection error.
  package var isFinished: Bool { nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0 }

  /// As many streams as the peer allows are open or wait.
  package var isFull: Bool { streams.count >= Int(peerMaxConcurrentStreams) }

  /// Whether a client can open no more streams, ever (RFC 9113, 5.1.1).
  package var isOutOfStreamIDs: Bool { nextStreamID > UInt32(Int32.max) }

  /// What may be sent before the peer gives the connection more room.
  package var sendWindow: Int { Int(nghttp2_session_get_remote_window_size(session)) }

  /// What the peer may send before it is given more room.
  package var receiveWindow: Int { Int(nghttp2_session_get_local_window_size(session)) }

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
    let isShort = usualRequests.knows(requestHeaders)
    let id = requestHeaders.withEntries { entries in
      stream.withProvider(hasBody) {
        nghttp2_submit_request(session, nil, entries.baseAddress, isShort ? 1 : entries.count, $0, data)
      }
    }
    guard id > 0 else {
      remove(stream)
      throw HTTP2Failure(code: id)
    }
    stream.id = id
    usualRequests.submitted(requestHeaders, for: id, isShort: isShort)
  }

  /// There are no streams, and there may be none for long: what only they need takes no memory until the next one.
  package func rest() {
    guard streams.isEmpty else { return }
    wasUsed = false
    streams = []
    spareStreams = []
    block.letGo()
    repeatedBlock.letGo()
    answers.letGo()
    wholeBlockStreamID = 0
    requestHeaders = HeaderList()
    if let table { memory?.release(table: table) }
  }

  /// A stream of this session that is over and that nobody refers to, to be made another one of.
  package func takeSpareStream() -> HTTP2Stream? { spareStreams.popLast() }

  func keep(_ stream: HTTP2Stream) {
    if spareStreams.count < HTTP2Session.maxSpareStreams { spareStreams.append(stream) }
  }

  func add(_ stream: HTTP2Stream) {
    wasUsed = true
    openedStreamCount &+= 1
    stream.session = self
    stream.nghttp2 = session
    stream.byteCounts = byteCounts
    stream.index = streams.count
    streams.append(stream)
  }

  func remove(_ stream: HTTP2Stream) {
    let index = stream.index
    guard index >= 0 else { return }
    let last = streams.count - 1
    if index < last {
      streams.swapAt(index, last)
      streams[index].index = index
    }
    streams.removeLast()
    stream.index = -1
    if lastStreamID == stream.id { forgetLastStream() }
  }

  /// The connection is over: what anybody still says to its streams goes nowhere.
  package func abandonStreams() {
    for stream in streams {
      stream.discardBody()
      stream.noteTaken(.max)
      stream.index = -1
      stream.session = nil
      stream.nghttp2 = nil
    }
    abandoned = streams
    streams = []
    forgetLastStream()
  }

  private func forgetLastStream() {
    lastStream = nil
    lastStreamID = -1
  }

  // MARK: Connection

  /// How many RST_STREAM frames have gone out since this was asked, other than with NO_ERROR and CANCEL.
  package func takeResetsSent() -> Int {
    // Below 0: one that is not to be counted is still to go out.
    guard resetsSent > 0 else { return 0 }
    defer { resetsSent = 0 }
    return resetsSent
  }

  /// The next one that goes out is not to be counted.
  package func leaveOutReset() { resetsSent -= 1 }

  /// Gives the connection's flow-control credit back for bytes of any stream.
  func consumeConnection(_ byteCount: Int) {
    heldConnectionCredit &+= byteCount
    guard heldConnectionCredit >= leastConnectionCredit else { return }
    nghttp2_session_consume_connection(session, heldConnectionCredit)
    heldConnectionCredit = 0
  }

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
