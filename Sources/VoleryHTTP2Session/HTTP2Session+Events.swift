import CNGHTTP2

// What nghttp2 tells, from inside of `feed` and `pull`.
extension HTTP2Session {
  func beginHeaders(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
    block.removeAll()
    if let shortBlock { block.comesAgain(shortBlock.fieldCount, end: shortBlock.end) }
    wholeBlockStreamID = 0
    let id = frame.pointee.hd.stream_id
    if role == .server, frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
      guard streams.count < maxConcurrentStreams else {
        nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, HTTP2ErrorCode.refusedStream.rawValue)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
      }
      guard let stream = delegate.streamOpened() else { return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue }
      stream.id = id
      add(stream)
      let unmanaged = Unmanaged.passUnretained(stream)
      nghttp2_session_set_stream_user_data(session, id, unmanaged.toOpaque())
      blockStream = unmanaged
      lastStream = unmanaged
      lastStreamID = id
    } else {
      blockStream = stream(id)
    }
    return 0
  }

  /// A name or a value with a byte that HTTP does not allow (RFC 9113, 8.2.1): resets its stream, as elsewhere, except where
  /// the delegate wants to see it.
  func invalidHeader(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Int32 {
    guard delegate.acceptsAnyValue(of: name) else { return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue }
    block.append(name, value)
    return 0
  }

  /// Nobody counts a reference to it: `streams` holds it as long as nghttp2 names it, but for `streamClosed`.
  @inline(__always)
  func stream(_ id: Int32) -> Unmanaged<HTTP2Stream>? { id == lastStreamID ? lastStream : lookUp(id) }

  private func lookUp(_ id: Int32) -> Unmanaged<HTTP2Stream>? {
    guard let data = nghttp2_session_get_stream_user_data(session, id) else { return nil }
    let stream = Unmanaged<HTTP2Stream>.fromOpaque(data)
    // One that is abandoned is not named again.
    if stream._withUnsafeGuaranteedRef({ $0.index >= 0 }) {
      lastStream = stream
      lastStreamID = id
    }
    return stream
  }

  func frameReceived(_ frame: UnsafePointer<nghttp2_frame>) {
    let header = frame.pointee.hd
    let isEnd = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    switch UInt32(header.type) {
    case NGHTTP2_DATA.rawValue:
      guard isEnd else { return }
      stream(header.stream_id)?._withUnsafeGuaranteedRef {
        $0.hasPeerEnded = true
        $0.endReceived()
      }
    case NGHTTP2_HEADERS.rawValue:
      guard let stream = blockStream else { return }
      blockStream = nil
      if input.trimmedByteCount > 0 { block.omit(input.trimmedByteCount) }
      input.trimmedByteCount = 0
      hasReceivedData = true
      if frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST { wholeBlockStreamID = header.stream_id }
      stream._withUnsafeGuaranteedRef {
        if isEnd { $0.hasPeerEnded = true }
        if isAnswerUsual {
          $0.usualHeadersReceived(endsStream: isEnd)
        } else {
          $0.headersReceived(block, endsStream: isEnd)
        }
      }
    case NGHTTP2_RST_STREAM.rawValue:
      stream(header.stream_id)?._withUnsafeGuaranteedRef { $0.wasResetByPeer = true }
    case NGHTTP2_SETTINGS.rawValue where header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0:
      peerMaxConcurrentStreams = nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
      let limit = nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE)
      // One of them may be the size of HPACK's table.
      trailers.forget()
      usualRequests.forget()
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
    // The connection's window is given back as bytes come: one stream that nobody reads must not stop the others. What a
    // stream may hold is bounded by its own window.
    consumeConnection(bytes.count)
    hasReceivedData = true
    stream(id)?._withUnsafeGuaranteedRef { $0.dataReceived(bytes) }
  }

  /// Takes over a DATA frame whose payload `stream` has pointed to; false: not now.
  func sendPayload(_ stream: HTTP2Stream, _ header: UnsafePointer<UInt8>) -> Bool {
    guard output.byteCount < outputLimit else {
      withheldHeader.keep(header)
      return false
    }
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
    if endsStream, role == .server { stream(id)?._withUnsafeGuaranteedRef { $0.endSent() } }
  }

  func headersSent(_ id: Int32, _ endsStream: Bool) {
    hasSentData = true
    // Nor do a server's streams want to know of their first headers.
    guard endsStream || role == .client else { return }
    stream(id)?._withUnsafeGuaranteedRef {
      $0.areHeadersSent = true
      if endsStream { $0.endSent() }
    }
  }

  /// nghttp2 has dropped headers or trailers that were queued: their stream must not wait for them.
  func headersNotSent(_ id: Int32, _ error: Int32) {
    switch error {
    case NGHTTP2_ERR_STREAM_CLOSED.rawValue, NGHTTP2_ERR_STREAM_CLOSING.rawValue, NGHTTP2_ERR_STREAM_SHUT_WR.rawValue,
      NGHTTP2_ERR_SESSION_CLOSING.rawValue, NGHTTP2_ERR_START_STREAM_NOT_ALLOWED.rawValue:
      return  // The stream ends by itself, or the connection does.
    default: stream(id)?._withUnsafeGuaranteedRef { $0.headersNotSent(HTTP2Failure(code: error).description) }
    }
  }

  func streamClosed(_ id: Int32, _ code: UInt32) {
    guard var stream = stream(id)?.takeUnretainedValue() else { return }
    if stream.queuedByteCount > 0 { stream.discardBody() }
    stream.noteTaken(.max)
    remove(stream)
    if role == .server, stream.wasResetByPeer || stream.hasPeerEnded {
      input.frames.closedStreams.closed(id, byReset: stream.wasResetByPeer)
    }
    stream.closed(HTTP2ErrorCode(rawValue: code))
    // nghttp2 does not name it again: who has no counted reference has none.
    if stream.isSpare, isKnownUniquelyReferenced(&stream) { keep(stream) }
  }

  func fail(_ failure: HTTP2Failure) { if self.failure == nil { self.failure = failure } }
}
