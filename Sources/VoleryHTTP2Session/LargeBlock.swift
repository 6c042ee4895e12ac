/// A header block that goes on in CONTINUATION frames: its frames are taken one by one, and given on with what nghttp2 can't
/// read cut out of them (`LiteralTrimmer`). One frame is kept at a time.
struct LargeBlock {
  private let streamID: Int32
  private var trimmer = LiteralTrimmer()
  private var scanner = FrameScanner(leading: 0)
  /// The frame that comes in; nil between two.
  private var header: FrameHeader?
  /// What has come of it, a header that is not complete included.
  private var held: [UInt8] = []
  /// The block has ended, or what came is no more of it.
  private(set) var isComplete = false
  /// Bytes of the block that have come.
  private(set) var byteCount = 0
  /// When complete: bytes to the next frame's header.
  private(set) var trailingByteCount = 0

  /// - Parameter header: Of the HEADERS frame, without END_HEADERS, no longer than a frame may be.
  init(_ header: FrameHeader) {
    streamID = header.streamID
    self.header = header
  }

  var trimmedByteCount: Int { trimmer.trimmedByteCount }

  /// Takes bytes from the front of `rest`, and appends frames for nghttp2 to `out`.
  mutating func take(_ rest: inout UnsafeRawBufferPointer, _ out: inout [UInt8]) {
    while !isComplete {
      if let header {
        hold(header.length, of: &rest)
        guard held.count == header.length else { return }
        byteCount += held.count
        give(header, &out)
        isComplete = header.endsHeaders
        self.header = nil
      } else {
        hold(FrameHeader.byteCount, of: &rest)
        guard held.count == FrameHeader.byteCount else { return }
        begin(&out)
      }
      held.removeAll(keepingCapacity: true)
    }
  }

  private mutating func hold(_ count: Int, of rest: inout UnsafeRawBufferPointer) {
    let taken = rest.prefix(count - held.count)
    held += taken
    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(taken.count))
  }

  /// The header of a frame is there.
  private mutating func begin(_ out: inout [UInt8]) {
    var offset = 0
    let next = held.withUnsafeBytes { scanner.next(in: $0, &offset) }
    scanner = FrameScanner(leading: 0)
    guard let next, next.type == FrameHeader.continuation, next.streamID == streamID,
      next.length <= FrameHeader.maxPayloadByteCount
    else {
      // Not what may come here, which nghttp2 says.
      out += held
      trailingByteCount = next?.length ?? 0
      isComplete = true
      return
    }
    header = next
  }

  private mutating func give(_ header: FrameHeader, _ out: inout [UInt8]) {
    var fragment = held[...]
    var rest: [UInt8] = []
    if header.type == FrameHeader.headers {
      let padding = header.flags & FrameHeader.padded != 0 ? Int(fragment.popFirst() ?? .max) : 0
      let leadCount = header.flags & FrameHeader.priority != 0 ? 5 : 0
      guard padding + leadCount <= fragment.count else {
        out += header.bytes + held
        return
      }
      rest += fragment.prefix(leadCount)
      fragment = fragment.dropFirst(leadCount).dropLast(padding)
    }
    rest += trimmer.trim(fragment)
    // A CONTINUATION of which nothing is left is left out, unless it is the last.
    guard !rest.isEmpty || header.type == FrameHeader.headers || header.endsHeaders else { return }
    var type = header.type
    var offset = 0
    repeat {
      let end = min(offset + FrameHeader.maxPayloadByteCount, rest.count)
      let flags = header.flags & ~FrameHeader.padded & (end == rest.count ? 0xff : ~FrameHeader.endHeaders)
      out += FrameHeader(length: end - offset, type: type, flags: flags, streamID: streamID).bytes + rest[offset..<end]
      type = FrameHeader.continuation
      offset = end
    } while offset < rest.count
  }
}
