/// Finds among the frames that come in those that nghttp2 must not be given just so: header blocks of more than one frame
/// (`LargeBlock`), and, on a server, frames that may be for a stream that is not open (`ClosedStreams`). A stream of many frames
/// in a row costs a comparison each.
struct IncomingFrames {
  /// A frame of which more is to be said.
  struct Special {
    let header: FrameHeader
    /// Where it begins in the bytes at hand.
    let start: Int
    /// It may be for no open stream: to be judged once nghttp2 has what comes before it.
    let isInQuestion: Bool
    let beginsLargeBlock: Bool
    /// It opens a stream with a block that begins as the last one (`RepeatedBlock`).
    let repeatsBlock: Bool
    /// It begins or ends an answer as nearly all do.
    let isUsualAnswer: Bool
  }

  private let isServer: Bool
  private var scanner: FrameScanner
  private var offset = 0
  /// The stream that the last frame was for, if it certainly takes DATA.
  private var current: Int32 = 0
  /// Of the frames that nghttp2 has not been given yet: the highest stream that one of them may have closed.
  private var highestClosed: Int32 = 0
  /// Streams above this were opened by such frames.
  private var highestGiven: Int32 = -1
  /// The peer has said GOAWAY: where it has no streams, nghttp2 reads nothing more but what it is given together with that. Requests
  /// that were on their way come right behind.
  private var isLeaving = false
  var closedStreams = ClosedStreams()

  /// - Parameter leading: Bytes before the first frame.
  init(isServer: Bool, leading: Int) {
    self.isServer = isServer
    scanner = FrameScanner(leading: leading)
  }

  /// The next frame of which more is to be said; nil at the end of `bytes`, which are given again and again until then.
  @inline(__always)
  mutating func nextSpecial(
    in bytes: UnsafeRawBufferPointer, _ last: inout RepeatedBlock, _ answers: inout UsualAnswers,
    isOpen: (Int32) -> Bool
  ) -> Special? {
    while let header = scanner.next(in: bytes, &offset) {
      let isInQuestion = isServer && look(header, isOpen: isOpen)
      if header.type == FrameHeader.goAway { isLeaving = true }
      let beginsLargeBlock =
        header.type == FrameHeader.headers && !header.endsHeaders && header.length <= FrameHeader.maxPayloadByteCount
      var repeatsBlock = false
      if beginsLargeBlock { answers.forget() }
      if !isServer {
        guard beginsLargeBlock || isUsualAnswer(header, in: bytes, &answers) else { continue }
      } else if header.type == FrameHeader.headers || header.type == FrameHeader.continuation {
        if !isInQuestion, !isLeaving, header.flags == FrameHeader.endHeaders, header.length <= bytes.count &- offset {
          let block = UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset &+ header.length)])
          repeatsBlock = last.begins(block)
          if !repeatsBlock { last.keep(block, for: header.streamID) }
        } else {
          last.forget()
        }
      }
      guard isInQuestion || beginsLargeBlock || repeatsBlock || !isServer else { continue }
      let start = offset - FrameHeader.byteCount
      return Special(
        header: header, start: start, isInQuestion: isInQuestion, beginsLargeBlock: beginsLargeBlock,
        repeatsBlock: repeatsBlock, isUsualAnswer: !isServer && !beginsLargeBlock)
    }
    return nil
  }

  /// Every block that a client reads comes by here, in the order in which they change HPACK's table.
  @inline(__always)
  private func isUsualAnswer(
    _ header: FrameHeader, in bytes: UnsafeRawBufferPointer, _ answers: inout UsualAnswers
  ) -> Bool {
    guard header.type != FrameHeader.data else { return false }
    guard header.type == FrameHeader.headers else {
      if header.type == FrameHeader.continuation || header.type == FrameHeader.pushPromise { answers.forget() }
      return false
    }
    guard header.flags & ~FrameHeader.endStream == FrameHeader.endHeaders, header.length <= bytes.count &- offset else {
      answers.forget()
      return false
    }
    let block = UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset &+ header.length)])
    return answers.note(block, endsStream: header.endsStream, for: header.streamID)
  }

  /// `bytes` are through. Returns how many of them, at their end, are a header that is not complete: they come again with the
  /// rest of it.
  mutating func finish(_ bytes: UnsafeRawBufferPointer) -> Int {
    defer {
      offset = 0
      // nghttp2 knows of a reset, or of an end, when it has all of the frame.
      if scanner.isWithinFrame { highestGiven = closedStreams.lastID } else { noteGiven() }
    }
    return bytes.count - offset
  }

  /// Somebody else has read on, to where the next header is so many bytes away.
  mutating func resume(leading: Int) {
    scanner = FrameScanner(leading: leading)
    offset = 0
    noteGiven()
  }

  private mutating func noteGiven() {
    highestClosed = 0
    highestGiven = closedStreams.lastID
  }

  @inline(__always)
  private mutating func look(_ header: FrameHeader, isOpen: (Int32) -> Bool) -> Bool {
    let id = header.streamID
    var isInQuestion = false
    switch header.type {
    case FrameHeader.data:
      if id != current {
        isInQuestion = id <= highestClosed || (id <= highestGiven && !isOpen(id))
        if !isInQuestion { current = id }
      }
    case FrameHeader.headers:
      if id > closedStreams.lastID {
        closedStreams.opened(id)
        current = id
      } else {
        isInQuestion = true
      }
    case FrameHeader.reset:
      close(id)
      return false
    default: return false
    }
    if header.endsStream { close(id) }
    return isInQuestion
  }

  private mutating func close(_ id: Int32) {
    highestClosed = max(highestClosed, id)
    if current == id { current = 0 }
  }

  /// nghttp2 has what comes before a frame that was in question: whether it is for a stream that is open, or nghttp2's to judge.
  mutating func isSettled(_ header: FrameHeader, isOpen: Bool) -> Bool {
    noteGiven()
    if header.endsStream { close(header.streamID) }
    if isOpen, !header.endsStream, header.type == FrameHeader.data { current = header.streamID }
    return isOpen || header.streamID > closedStreams.lastID
  }
}
