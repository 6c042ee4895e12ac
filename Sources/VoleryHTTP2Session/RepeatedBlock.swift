import VoleryPlatform

/// The request block that a server's connection has brought last, byte for byte. As a rule the next one is the same, and where it
/// changes nothing in HPACK's table, it means the same: nghttp2 is then given a short one in its place, and the fields are what
/// they were (`HeaderBlock.comesAgain`). What is checked of a field was checked of the same bytes.
///
/// The short block has what nghttp2 needs to open a stream, and what it remembers of one, as they came: the pseudo-header fields,
/// with "/" for the path, host and content-length.
struct RepeatedBlock: ~Copyable {
  /// A longer one is not kept.
  private static let maxByteCount = 192
  /// The block, and behind it the frame of the short one.
  private var memory: UnsafeMutableRawPointer?
  private var byteCount = 0
  /// The stream that it came for last; 0: there is no block.
  private var streamID: Int32 = 0
  private enum Short {
    case notMade, none
    case made(byteCount: Int)
  }
  private var short = Short.notMade
  /// Blocks that nghttp2 has been given a short one for.
  private(set) var repetitionCount = 0

  deinit { memory?.deallocate() }

  /// Takes note of a whole block. Returns the stream that the same one came for before it; 0: it is another one.
  mutating func note(_ block: UnsafeRawBufferPointer, for id: Int32) -> Int32 {
    guard let start = block.baseAddress, block.count <= RepeatedBlock.maxByteCount else {
      forget()
      return 0
    }
    let last = streamID
    streamID = id
    if last != 0, byteCount == block.count, let memory, memcmp(memory, start, byteCount) == 0 { return last }
    let memory = memory ?? .allocate(byteCount: 2 * RepeatedBlock.maxByteCount + FrameHeader.byteCount, alignment: 1)
    self.memory = memory
    memcpy(memory, start, block.count)
    byteCount = block.count
    short = .notMade
    return 0
  }

  /// What comes now is no block of this kind, or has changed what the last one means.
  mutating func forget() { streamID = 0 }

  /// There may be no other for long.
  mutating func letGo() {
    forget()
    memory?.deallocate()
    memory = nil
  }

  /// The frame that opens this stream in place of the one that has come; nil: there is none. Valid until the next `note`.
  ///
  /// - Parameter block: The block that was noted last, as nghttp2 has read it.
  mutating func frame(for id: Int32, as block: borrowing HeaderBlock) -> UnsafeRawBufferPointer? {
    guard let memory else { return nil }
    let start = memory + RepeatedBlock.maxByteCount
    if case .notMade = short { short = shorten(block, start) }
    guard case .made(let count) = short else { return nil }
    repetitionCount &+= 1
    start.storeBytes(of: id.bigEndian, toByteOffset: FrameHeader.byteCount - 4, as: Int32.self)
    return UnsafeRawBufferPointer(start: start, count: count)
  }

  private func shorten(_ fields: borrowing HeaderBlock, _ frame: UnsafeMutableRawPointer) -> Short {
    guard let memory, !fields.isTooLarge else { return .none }
    let block = UnsafeRawBufferPointer(start: memory, count: byteCount)
    let payload = frame + FrameHeader.byteCount
    var (start, offset, count) = (0, 0, 0)
    while start < block.count {
      guard let end = RepeatedBlock.end(of: start, in: block), let field = fields.next(&offset) else { return .none }
      let name = field.name
      if name.equals(":path") {
        payload.storeBytes(of: RepeatedBlock.root, toByteOffset: count, as: UInt8.self)
        count += 1
      } else if name.first == UInt8(ascii: ":") || name.equals("content-length") || name.equals("host") {
        memcpy(payload + count, memory + start, end - start)
        count += end - start
      } else if name.equals("priority") {
        // nghttp2 has its own use for it.
        return .none
      }
      start = end
    }
    guard offset == fields.byteCount, count < byteCount else { return .none }
    let header = FrameHeader(length: count, type: FrameHeader.headers, flags: FrameHeader.endHeaders, streamID: 0)
    frame.copyMemory(from: header.bytes, byteCount: FrameHeader.byteCount)
    return .made(byteCount: FrameHeader.byteCount + count)
  }

  /// ":path: /" (RFC 7541, Appendix A).
  private static let root: UInt8 = 0x84

  // MARK: HPACK

  /// Where the field that begins at `start` ends; nil where it changes the table (RFC 7541, 6.2.1 and 6.3), or is none.
  static func end(of start: Int, in block: UnsafeRawBufferPointer) -> Int? {
    var offset = start
    if block[start] & 0x80 != 0 { return integer(7, in: block, &offset).map { _ in offset } }
    guard block[start] & 0x60 == 0, let index = integer(4, in: block, &offset) else { return nil }
    if index == 0, !skipString(in: block, &offset) { return nil }
    return skipString(in: block, &offset) ? offset : nil
  }

  /// An integer whose first byte has so many bits of it (RFC 7541, 5.1).
  private static func integer(_ bits: UInt8, in block: UnsafeRawBufferPointer, _ offset: inout Int) -> Int? {
    guard offset < block.count else { return nil }
    let mask = UInt8(1) << bits - 1
    var value = Int(block[offset] & mask)
    offset += 1
    guard value == Int(mask) else { return value }
    for shift in stride(from: 0, through: 21, by: 7) {
      guard offset < block.count else { return nil }
      let byte = block[offset]
      offset += 1
      value += Int(byte & 0x7f) << shift
      if byte & 0x80 == 0 { return value }
    }
    return nil
  }

  private static func skipString(in block: UnsafeRawBufferPointer, _ offset: inout Int) -> Bool {
    guard let length = integer(7, in: block, &offset), length <= block.count - offset else { return false }
    offset += length
    return true
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func equals(_ text: StaticString) -> Bool {
    count == text.utf8CodeUnitCount && (count == 0 || memcmp(baseAddress!, text.utf8Start, count) == 0)
  }
}
