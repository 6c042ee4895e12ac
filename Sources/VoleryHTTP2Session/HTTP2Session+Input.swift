import CNGHTTP2

/// Where a session stands in the bytes that come in.
struct HTTP2Input {
  var frames: IncomingFrames
  /// A frame's header that has come in part.
  var withheld: [UInt8] = []
  /// A block of more than one frame that is under way.
  var largeBlock: LargeBlock?
  /// Of the last of those: bytes of literals that nghttp2 was not given.
  var trimmedByteCount = 0
  /// A block that goes on for longer than this ends the connection.
  let maxBlockByteCount: Int
  private static let clientPrefaceByteCount = 24

  init(isServer: Bool, _ settings: HTTP2Settings) {
    frames = IncomingFrames(isServer: isServer, leading: isServer ? HTTP2Input.clientPrefaceByteCount : 0)
    maxBlockByteCount = max(1 << 20, 2 * settings.maxHeaderListByteCount)
  }
}

// Bytes from the peer.
extension HTTP2Session {
  /// Takes bytes from the peer. Throws when the connection can't go on: `pull` what is left (a GOAWAY as a rule), then
  /// close.
  package func feed(_ bytes: UnsafeRawBufferPointer) throws(HTTP2Failure) {
    var rest = bytes
    if !input.withheld.isEmpty {
      let taken = rest.prefix(FrameHeader.byteCount - input.withheld.count)
      input.withheld += taken
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(taken.count))
      guard input.withheld.count == FrameHeader.byteCount else { return }
      let whole = input.withheld
      input.withheld = []
      try feed(whole)
    }
    repeat {
      if input.largeBlock != nil { try feedLargeBlock(&rest) }
      if input.largeBlock == nil { try feedFrames(&rest) }
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
    while let frame = input.frames.nextSpecial(in: bytes, &repeatedBlock, &answers, isOpen: { stream($0) != nil }) {
      // What comes before it first: that decides.
      if frame.start > given {
        try give(UnsafeRawBufferPointer(rebasing: bytes[given..<frame.start]))
        given = frame.start
      }
      if frame.isInQuestion { judge(frame.header) }
      if frame.repeatsBlock {
        let start = frame.start + FrameHeader.byteCount
        let end = start + frame.header.length
        let block = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        if try giveShort(block, frame.header.streamID) { given = end }
      }
      if frame.isUsualAnswer {
        try giveShortAnswer(frame.header)
        given = frame.start + FrameHeader.byteCount + frame.header.length
      }
      if frame.beginsLargeBlock {
        input.largeBlock = LargeBlock(frame.header)
        rest = UnsafeRawBufferPointer(rebasing: bytes[(frame.start + FrameHeader.byteCount)...])
        return
      }
    }
    let end = bytes.count - input.frames.finish(bytes)
    if end < bytes.count { input.withheld = Array(bytes[end...]) }
    if given < end { try give(UnsafeRawBufferPointer(rebasing: bytes[given..<end])) }
    rest = UnsafeRawBufferPointer(start: nil, count: 0)
  }

  /// Gives nghttp2 a short block in place of one that begins as the last one. False: it has to be given what has come.
  private func giveShort(_ received: UnsafeRawBufferPointer, _ id: Int32) throws(HTTP2Failure) -> Bool {
    guard let frame = repeatedBlock.frame(for: id, received, after: block, wholeBlockStreamID) else {
      repeatedBlock.keep(received, for: id)
      return false
    }
    shortBlock = (frame.fieldCount, frame.end)
    shortFieldsLeft = frame.shortFieldCount
    defer {
      shortBlock = nil
      shortFieldsLeft = 0
    }
    try give(frame.bytes)
    return true
  }

  private func giveShortAnswer(_ header: FrameHeader) throws(HTTP2Failure) {
    isAnswerUsual = true
    // The status is not for `block`.
    shortFieldsLeft = header.endsStream ? 0 : 1
    defer {
      isAnswerUsual = false
      shortFieldsLeft = 0
    }
    try give(answers.short(endsStream: header.endsStream, for: header.streamID))
  }

  /// A client's stream knows what the block means that it has just been given.
  package func meansTheUsual(for stream: HTTP2Stream, endsStream: Bool) {
    var offset = 0
    while let field = block.next(&offset) {
      // nghttp2 has to see it.
      if field.name.elementsEqual("content-length".utf8) { return }
    }
    answers.isUsual(endsStream: endsStream, for: stream.id)
  }

  /// What it meant so far is not what a client's streams would say of it.
  package func meansNothing(endsStream: Bool) { answers.forget(endsStream: endsStream) }

  private func feedLargeBlock(_ rest: inout UnsafeRawBufferPointer) throws(HTTP2Failure) {
    guard var large = input.largeBlock.take() else { return }
    var frames: [UInt8] = []
    large.take(&rest, &frames)
    guard large.byteCount <= input.maxBlockByteCount else { throw HTTP2Failure.endlessHeaders }
    input.trimmedByteCount = large.trimmedByteCount
    if large.isComplete {
      input.frames.resume(leading: large.trailingByteCount)
    } else {
      input.largeBlock = large
    }
    let result = frames.withUnsafeBytes { bytes -> Result<Void, HTTP2Failure> in
      do throws(HTTP2Failure) { return .success(try give(bytes)) } catch { return .failure(error) }
    }
    try result.get()
  }

  /// A DATA or HEADERS frame has begun that may be for no open stream.
  private func judge(_ header: FrameHeader) {
    guard !input.frames.isSettled(header, isOpen: stream(header.streamID) != nil) else { return }
    switch input.frames.closedStreams.verdict(on: header.streamID, isHeaders: header.type == FrameHeader.headers) {
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
}
