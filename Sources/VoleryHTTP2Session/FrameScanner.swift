/// A frame's first nine bytes (RFC 9113, 4.1).
struct FrameHeader {
  let length: Int
  let type: UInt8
  let flags: UInt8
  let streamID: Int32

  static let byteCount = 9
}

/// Reads along the headers of the frames that come in, whose bytes nghttp2 is given as they are: it says nothing of a frame
/// that it passes over.
struct FrameScanner {
  /// Bytes to the next header: of a payload, or of the client's preface.
  private var left: Int
  /// A header that has come in part, as one number.
  private var held: UInt128 = 0
  private var heldCount = 0

  /// - Parameter leading: Bytes before the first frame.
  init(leading: Int) { left = leading }

  /// The next header that is complete within `bytes`, from `offset` on, which becomes the place behind it; nil where there is
  /// none.
  mutating func next(in bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> FrameHeader? {
    let skipped = min(left, bytes.count &- offset)
    left &-= skipped
    offset &+= skipped
    guard left == 0, offset < bytes.count else { return nil }
    if heldCount == 0, bytes.count &- offset >= FrameHeader.byteCount {
      let head = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      let last = bytes[offset &+ 8]
      offset &+= FrameHeader.byteCount
      return header(head, last)
    }
    while heldCount < FrameHeader.byteCount {
      guard offset < bytes.count else { return nil }
      held = held << 8 | UInt128(bytes[offset])
      heldCount += 1
      offset += 1
    }
    defer { (held, heldCount) = (0, 0) }
    return header(UInt64(truncatingIfNeeded: held >> 8), UInt8(truncatingIfNeeded: held))
  }

  private mutating func header(_ head: UInt64, _ last: UInt8) -> FrameHeader {
    left = Int(truncatingIfNeeded: head >> 40)
    return FrameHeader(
      length: left, type: UInt8(truncatingIfNeeded: head >> 32), flags: UInt8(truncatingIfNeeded: head >> 24),
      streamID: Int32(truncatingIfNeeded: (head & 0x7f_ffff) << 8 | UInt64(last)))
  }
}
