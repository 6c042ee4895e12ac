/// Finds among the frames that a server receives those that may be for a stream that is not open. A stream of many frames in a
/// row costs a comparison each.
struct IncomingFrames {
  struct InQuestion {
    let header: FrameHeader
    /// Where it begins in the bytes at hand; 0 when it began before them.
    let start: Int
  }

  private static let endStream: UInt8 = 1

  private var scanner: FrameScanner
  private var offset = 0
  /// The stream that the last frame was for, if it certainly takes DATA.
  private var current: Int32 = 0
  /// A frame that may have closed a stream has come that nghttp2 has not been given yet.
  private var hasCloser = false
  var closedStreams = ClosedStreams()

  /// - Parameter leading: Bytes before the first frame.
  init(leading: Int) { scanner = FrameScanner(leading: leading) }

  /// The next frame that has to be looked at once nghttp2 has what comes before it; nil at the end of `bytes`, which are given
  /// again and again until then.
  mutating func nextInQuestion(
    in bytes: UnsafeRawBufferPointer, isOpen: (Int32) -> Bool
  ) -> InQuestion? {
    while let header = scanner.next(in: bytes, &offset) {
      let id = header.streamID
      var isInQuestion = false
      switch header.type {
      case 0:
        if id != current {
          isInQuestion = hasCloser || !isOpen(id)
          if !isInQuestion { current = id }
        }
      case 1:
        if id > closedStreams.lastID {
          closedStreams.opened(id)
          current = id
        } else {
          isInQuestion = true
        }
      case 3: close(id)
      default: continue
      }
      if header.type != 3, header.flags & IncomingFrames.endStream != 0 { close(id) }
      if isInQuestion { return InQuestion(header: header, start: max(offset - FrameHeader.byteCount, 0)) }
    }
    offset = 0
    hasCloser = false
    return nil
  }

  private mutating func close(_ id: Int32) {
    hasCloser = true
    if current == id { current = 0 }
  }

  /// nghttp2 has what comes before this frame: whether it is for a stream that is open, or nghttp2's to judge.
  mutating func isSettled(_ header: FrameHeader, isOpen: Bool) -> Bool {
    let endsStream = header.flags & IncomingFrames.endStream != 0
    hasCloser = endsStream
    if isOpen, !endsStream, header.type == 0 { current = header.streamID }
    return isOpen || header.streamID > closedStreams.lastID
  }
}
