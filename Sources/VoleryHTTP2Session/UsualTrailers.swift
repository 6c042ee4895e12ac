import CNGHTTP2

/// Trailers that nearly all of a connection's calls end with, one field that stands in HPACK's table. nghttp2 has sent
/// them before, and they are the same byte until it sends a block that changes the table: until then they stand behind
/// the last DATA frame without it, and for nghttp2 that frame ends the stream.
struct UsualTrailers {
  /// Whose byte it is, and the byte; 0: nobody's.
  private var fields: UnsafePointer<nghttp2_nv>?
  private var byte: UInt8 = 0
  /// nghttp2 has been given them for this stream, to be seen when it sends them.
  private var expected: (fields: UnsafePointer<nghttp2_nv>, streamID: Int32)?
  /// They belong behind the DATA frame that nghttp2 is making, of this stream; 0: they do not.
  private var dueStreamID: Int32 = 0

  /// Trailers that nghttp2 has not seen.
  private(set) var repetitionCount = 0

  private static let byteCount = FrameHeader.byteCount + 1

  /// HPACK's table is not what it was.
  mutating func forget() { byte = 0 }

  /// A stream ends with these behind the DATA frame that nghttp2 is making. False: nghttp2 has to be given them.
  mutating func areDue(_ trailers: FixedHeaders, on id: Int32) -> Bool {
    guard byte != 0, trailers.fields.baseAddress == fields else { return false }
    dueStreamID = id
    return true
  }

  /// nghttp2 is given them.
  mutating func expect(_ trailers: FixedHeaders, on id: Int32) {
    if byte == 0, trailers.fields.count == 1, let fields = trailers.fields.baseAddress { expected = (fields, id) }
  }

  /// nghttp2 has made this frame. Returns whether it is the one that they are due behind.
  @inline(__always)
  mutating func sees(_ frame: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    if frame[3] == FrameHeader.headers { seesHeaders(frame, count) }
    guard dueStreamID != 0 else { return false }
    defer { dueStreamID = 0 }
    guard frame[3] == FrameHeader.data, frame[4] & FrameHeader.endStream != 0,
      FrameHeader.streamID(of: frame) == dueStreamID
    else { return false }
    repetitionCount &+= 1
    return true
  }

  private mutating func seesHeaders(_ frame: UnsafePointer<UInt8>, _ count: Int) {
    // Fields of the table only, by one byte each: it stays as it is.
    guard frame[4] & FrameHeader.endHeaders != 0,
      (FrameHeader.byteCount..<count).allSatisfy({ 0x81...0xfe ~= frame[$0] })
    else { return forget() }
    guard let (fields, id) = expected, FrameHeader.streamID(of: frame) == id,
      frame[4] & FrameHeader.endStream != 0, count == UsualTrailers.byteCount
    else { return }
    expected = nil
    self.fields = fields
    byte = frame[FrameHeader.byteCount]
  }

  /// Appends the frame that nghttp2 has made, so that it does not end its stream, and them.
  func append(behind frame: UnsafePointer<UInt8>, _ count: Int, to output: inout HTTP2Output) {
    let copy = output.append(frame, count, roomBehind: UsualTrailers.byteCount)
    let trailers = copy + count
    copy.storeBytes(of: frame[4] & ~FrameHeader.endStream, toByteOffset: 4, as: UInt8.self)
    FrameHeader(
      length: 1, type: FrameHeader.headers, flags: FrameHeader.endStream | FrameHeader.endHeaders,
      streamID: FrameHeader.streamID(of: frame)
    ).write(to: trailers)
    trailers.storeBytes(of: byte, toByteOffset: FrameHeader.byteCount, as: UInt8.self)
  }
}
