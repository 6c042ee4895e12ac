import VoleryPlatform

/// The blocks that nearly all answers of a client's connection begin and end with, byte for byte as they come. What they mean is kept
/// by those who have read them once (`HTTP2Session.meansTheUsual`). As long as HPACK's table stays as it is the same bytes mean
/// the same: nghttp2 is then given a short block in their place, with the status of an answer that begins and with nothing of one
/// that ends, and streams hear that it is the usual one (`HTTP2Stream.usualHeadersReceived`).
struct UsualAnswers: ~Copyable {
  /// A longer one is not kept.
  private static let maxByteCount = 128
  private static let kindByteCount = maxByteCount + FrameHeader.byteCount + 1
  /// `:status: 200` (RFC 7541, Appendix A).
  private static let ok: UInt8 = 0x88

  /// One of the two.
  private struct Block {
    var byteCount = 0
    /// The stream that it came for last as long as nobody knows what it means; 0: there is none.
    var streamID: Int32 = 0
    /// What it means is known.
    var isUsual = false
  }

  /// Of each kind: the block, and the frame with the short one.
  private var memory: UnsafeMutableRawPointer?
  private var head = Block()
  private var end = Block()
  /// Blocks that nghttp2 has been given a short one for.
  private(set) var repetitionCount = 0

  deinit { memory?.deallocate() }

  /// HPACK's table is not what it was, or nobody knows.
  mutating func forget() {
    head = Block()
    end = Block()
  }

  /// What this block means is not what it was.
  mutating func forget(endsStream: Bool) {
    if endsStream { end = Block() } else { head = Block() }
  }

  /// There may be no other for long.
  mutating func letGo() {
    forget()
    memory?.deallocate()
    memory = nil
  }

  /// Takes note of a whole block. Returns whether it is the usual one.
  mutating func note(_ block: UnsafeRawBufferPointer, endsStream: Bool, for id: Int32) -> Bool {
    let known = endsStream ? end : head
    let place = self.place(endsStream)
    guard let start = block.baseAddress, !block.isEmpty else {
      forget(endsStream: endsStream)
      return false
    }
    if known.byteCount == block.count, memcmp(place, start, block.count) == 0 {
      // It means what it meant, whoever reads it first.
      if !known.isUsual { if endsStream { end.streamID = id } else { head.streamID = id } }
      return known.isUsual
    }
    guard HPACKScanner.changesNothing(block) else {
      forget()
      return false
    }
    var new = Block()
    if block.count <= UsualAnswers.maxByteCount, endsStream || block[0] == UsualAnswers.ok {
      memcpy(place, start, block.count)
      new.byteCount = block.count
      new.streamID = id
    }
    if endsStream { end = new } else { head = new }
    return false
  }

  /// Whoever has read the block that came for this stream knows what it means.
  mutating func isUsual(endsStream: Bool, for id: Int32) {
    if endsStream {
      if end.streamID == id { end.isUsual = true }
    } else if head.streamID == id {
      head.isUsual = true
    }
  }

  /// The frame that nghttp2 is given in place of the usual one.
  mutating func short(endsStream: Bool, for id: Int32) -> UnsafeRawBufferPointer {
    repetitionCount &+= 1
    let frame = place(endsStream) + UsualAnswers.maxByteCount
    let length = endsStream ? 0 : 1
    let flags = endsStream ? FrameHeader.endHeaders | FrameHeader.endStream : FrameHeader.endHeaders
    FrameHeader(length: length, type: FrameHeader.headers, flags: flags, streamID: id).write(to: frame)
    frame.storeBytes(of: UsualAnswers.ok, toByteOffset: FrameHeader.byteCount, as: UInt8.self)
    return UnsafeRawBufferPointer(start: frame, count: FrameHeader.byteCount + length)
  }

  private mutating func place(_ endsStream: Bool) -> UnsafeMutableRawPointer {
    let memory = memory ?? .allocate(byteCount: 2 * UsualAnswers.kindByteCount, alignment: 1)
    self.memory = memory
    return endsStream ? memory + UsualAnswers.kindByteCount : memory
  }
}
