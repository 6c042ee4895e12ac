import CNGHTTP2

/// The C functions that nghttp2 calls; each finds its session and hands over.
enum HTTP2Callbacks {
  /// The same for all sessions; made once.
  nonisolated(unsafe) private static let callbacks: OpaquePointer = {  // Isolation: constant
    var callbacks: OpaquePointer!
    nghttp2_session_callbacks_new(&callbacks)
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, context in
      withSession(context) { $0.beginHeaders(frame!) }
    }
    nghttp2_session_callbacks_set_on_header_callback2(callbacks) { _, _, name, value, _, context in
      withSession(context) { session in
        if session.shortFieldsLeft > 0 { session.shortFieldsLeft -= 1 } else { session.block.append(name!, value!) }
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks) {
      _, _, name, nameCount, value, valueCount, _, context in
      let name = UnsafeRawBufferPointer(start: name, count: nameCount)
      let value = UnsafeRawBufferPointer(start: value, count: valueCount)
      return withSession(context) { $0.invalidHeader(name, value) }
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, context in
      withSession(context) { $0.frameReceived(frame!) }
      return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, id, data, count, context in
      withSession(context) { $0.dataReceived(id, UnsafeRawBufferPointer(start: data, count: count)) }
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, context in
      let header = frame!.pointee.hd
      switch UInt32(header.type) {
      case NGHTTP2_DATA.rawValue:
        let endsStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        withSession(context) { $0.dataSent(header.stream_id, endsStream) }
      case NGHTTP2_HEADERS.rawValue:
        let endsStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        withSession(context) { $0.headersSent(header.stream_id, endsStream) }
      case NGHTTP2_RST_STREAM.rawValue:
        let code = frame!.pointee.rst_stream.error_code
        // Those two are of this end's own accord: the call is done with, or its time is up.
        if code != NGHTTP2_NO_ERROR.rawValue, code != NGHTTP2_CANCEL.rawValue {
          withSession(context) { $0.resetsSent += 1 }
        }
      default: break
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks) { _, frame, error, context in
      let header = frame!.pointee.hd
      if UInt32(header.type) == NGHTTP2_HEADERS.rawValue {
        withSession(context) { $0.headersNotSent(header.stream_id, error) }
      }
      return 0
    }
    nghttp2_session_callbacks_set_send_data_callback(callbacks) { _, _, header, _, source, context in
      withSession(context) { session in
        Unmanaged<HTTP2Stream>.fromOpaque(source!.pointee.ptr)._withUnsafeGuaranteedRef {
          session.sendPayload($0, header!) ? 0 : NGHTTP2_ERR_WOULDBLOCK.rawValue
        }
      }
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, id, code, context in
      withSession(context) { $0.streamClosed(id, code) }
      return 0
    }
    return callbacks
  }()

  /// The session lives at least as long as the call into nghttp2 that this comes from.
  @inline(__always)
  private static func withSession<Result>(
    _ context: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> Result
  ) -> Result {
    Unmanaged<HTTP2Session>.fromOpaque(context!)._withUnsafeGuaranteedRef(body)
  }

  static let readBody: nghttp2_data_source_read_callback = { _, _, buffer, length, flags, source, _ in
    let buffer = UnsafeMutableRawBufferPointer(start: buffer, count: length)
    return Unmanaged<HTTP2Stream>.fromOpaque(source!.pointee.ptr)._withUnsafeGuaranteedRef {
      $0.readBody(buffer, flags!)
    }
  }

  static func makeSession(
    _ role: HTTP2Session.Role, _ settings: HTTP2Settings, _ memory: HTTP2Memory?,
    table: inout UnsafeMutableRawPointer?
  ) -> OpaquePointer {
    var option: OpaquePointer!
    nghttp2_option_new(&option)
    defer { nghttp2_option_del(option) }
    nghttp2_option_set_no_auto_window_update(option, 1)
    nghttp2_option_set_max_outbound_ack(option, settings.maxUnsentAnswers)
    // Closed streams are not kept for RFC 7540's priorities, which gRPC does not use: each takes some 250 bytes, and later
    // versions keep none. `ClosedStreams` has what RFC 9113 wants of them.
    nghttp2_option_set_no_closed_streams(option, 1)
    nghttp2_option_set_max_settings(option, 64)
    // The transport has a limit of its own.
    volery_option_set_no_reset_limits(option)
    // A block that is over the limit ends its stream, and no others: it is read to its end.
    volery_option_set_max_continuations(option, 64 + settings.maxHeaderListByteCount / 8192)
    // What the peer takes is looked at before a block is queued (`HTTP2Session.maxSentHeaderListByteCount`); HPACK needs no
    // more than 12 bytes for the 32 that count for each field.
    nghttp2_option_set_max_send_header_block_length(option, HTTP2Settings.largestHeaderList + 4096)
    // RFC 9113, 8.2.1 forbids spaces at the ends of values; C-core, Go and Java send them, and take them.
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1)
    var session: OpaquePointer!
    func make(_ hooks: UnsafeMutablePointer<nghttp2_mem>?) {
      switch role {
      case .client: nghttp2_session_client_new3(&session, callbacks, nil, option, hooks)
      case .server: nghttp2_session_server_new3(&session, callbacks, nil, option, hooks)
      }
    }
    guard let memory else {
      make(nil)
      return session
    }
    var hooks = memory.hooks
    withUnsafeMutablePointer(to: &hooks) { hooks in table = memory.makingSession { make(hooks) } }
    return session
  }
}
