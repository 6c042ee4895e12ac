/// A frame's first nine bytes (RFC 9113, 4.1).
struct FrameHeader {
  let length: Int
  let type: UInt8
  let flags: UInt8
  let streamID: Int32

  static let byteCount = 9
  static let data: UInt8 = 0
  static let headers: UInt8 = 1
  static let reset: UInt8 = 3
  static let pushPromise: UInt8 = 5
  static let goAway: UInt8 = 7
  static let continuation: UInt8 = 9
  static let endStream: UInt8 = 0x1
  static let endHeaders: UInt8 = 0x4
  static let padded: UInt8 = 0x8
  static let priority: UInt8 = 0x20
  /// SETTINGS_MAX_FRAME_SIZE, which no end of ours raises.
  static let maxPayloadByteCount = 16_384

  var endsStream: Bool { flags & FrameHeader.endStream != 0 }
  var endsHeaders: Bool { flags & FrameHeader.endHeaders != 0 }

  static func streamID(of frame: UnsafePointer<UInt8>) -> Int32 {
    Int32(bigEndian: UnsafeRawPointer(frame).loadUnaligned(fromByteOffset: 5, as: Int32.self))
  }

  static func setLength(_ length: Int, of frame: UnsafeMutableRawPointer) {
    let type = frame.load(fromByteOffset: 3, as: UInt8.self)
    frame.storeBytes(of: (UInt32(length) << 8 | UInt32(type)).bigEndian, as: UInt32.self)
  }

  /// The nine bytes, where there is room for them.
  @inline(__always)
  func write(to frame: UnsafeMutableRawPointer) {
    let head = UInt32(truncatingIfNeeded: length) << 8 | UInt32(type)
    frame.storeBytes(of: head.bigEndian, as: UInt32.self)
    frame.storeBytes(of: flags, toByteOffset: 4, as: UInt8.self)
    frame.storeBytes(of: streamID.bigEndian, toByteOffset: 5, as: Int32.self)
  }

  var bytes: [UInt8] {
    [
      UInt8(truncatingIfNeeded: length >> 16), UInt8(truncatingIfNeeded: length >> 8),
      UInt8(truncatingIfNeeded: length),
    ]
      + [type, flags] + withUnsafeBytes(of: streamID.bigEndian, Array.init)
  }
}

/// Reads along the headers of the frames that come in, whose bytes nghttp2 is given as they are: it says nothing of a frame
/// that it passes over.
struct FrameScanner {
  /// Bytes to the next header: of a payload, or of the client's preface.
  private var left: Int

  /// - Parameter leading: Bytes before the next header.
  init(leading: Int) { left = leading }

  /// A payload is to come, or its rest.
  var isWithinFrame: Bool { left > 0 }

  /// The next header within `bytes`, from `offset` on, which becomes the place behind it. Nil where there is none: `offset` is
  /// then the end, or the place of a header that is not complete.
  @inline(__always)
  mutating func next(in bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> FrameHeader? {
    let skipped = min(left, bytes.count &- offset)
    left &-= skipped
    offset &+= skipped
    guard bytes.count &- offset >= FrameHeader.byteCount else { return nil }
    let head = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    let last = bytes[offset &+ 8]
    offset &+= FrameHeader.byteCount
    left = Int(truncatingIfNeeded: head >> 40)
    return FrameHeader(
      length: left, type: UInt8(truncatingIfNeeded: head >> 32), flags: UInt8(truncatingIfNeeded: head >> 24),
      streamID: Int32(truncatingIfNeeded: (head & 0x7f_ffff) << 8 | UInt64(last)))
  }
}
