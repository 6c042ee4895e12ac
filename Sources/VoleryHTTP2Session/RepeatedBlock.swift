import VoleryPlatform

/// The request block that a server's connection has brought last, byte for byte. As a rule the next one is the same, or begins alike,
/// and where the last one has changed nothing in HPACK's table, the same bytes mean the same: nghttp2 is then given a short
/// block in their place, and the fields are what they were (`HeaderBlock.comesAgain`). What is checked of a field was checked of the
/// same bytes.
///
/// The short block has what nghttp2 needs to open a stream, and what it remembers of one, as they came: the pseudo-header fields,
/// with "/" for the path, host and content-length; and behind them whatever is not the same.
struct RepeatedBlock: ~Copyable {
  /// A longer one is not kept.
  private static let maxByteCount = 192
  /// What two blocks have in common that are not the same; less is not worth to be looked at.
  private static let leastByteCount = 16

  /// What stands for the beginning of the block.
  private struct Short {
    /// So many bytes of the block.
    var coveredByteCount = 0
    /// The fields in them, and where those end in the `HeaderBlock`.
    var fieldCount = 0
    var end = 0
    /// So many bytes, with room for a frame's header in front.
    var byteCount = 0
    /// The fields of the short block.
    var shortFieldCount = 0
  }

  /// The block, and behind it the frame of the short one.
  private var memory: UnsafeMutableRawPointer?
  private var byteCount = 0
  /// The stream that it came for last; 0: there is no block.
  private var streamID: Int32 = 0
  private var short: Short?
  /// Blocks in a row that began alike, and had too little in common: after so many it is left at those that are the same.
  private var missCount = 0
  private static let maxMissCount = 4
  /// Blocks that nghttp2 has been given a short one for.
  private(set) var repetitionCount = 0

  deinit { memory?.deallocate() }

  /// A frame in place of one that has come.
  struct Frame {
    /// Valid until the next one is made.
    let bytes: UnsafeRawBufferPointer
    /// Fields at its beginning that stand for others.
    let shortFieldCount: Int
    /// Of the block before: those others, and where they end.
    let fieldCount: Int
    let end: Int
  }

  /// Whether this block may be given as a `frame`.
  func begins(_ block: UnsafeRawBufferPointer) -> Bool {
    guard streamID != 0, let memory, let start = block.baseAddress, block.count <= RepeatedBlock.maxByteCount else {
      return false
    }
    if let short {
      let count = short.coveredByteCount
      return block.count >= count && memcmp(memory, start, count) == 0
    }
    let isTried = missCount < RepeatedBlock.maxMissCount && min(block.count, byteCount) > RepeatedBlock.leastByteCount
    return (isTried || block.count == byteCount)
      && memcmp(memory, start, isTried ? RepeatedBlock.leastByteCount : byteCount) == 0
  }

  /// Keeps a block that nghttp2 is given as it is.
  mutating func keep(_ block: UnsafeRawBufferPointer, for id: Int32) {
    guard let start = block.baseAddress, block.count <= RepeatedBlock.maxByteCount else { return forget() }
    let memory =
      memory ?? .allocate(byteCount: 2 * RepeatedBlock.maxByteCount + FrameHeader.byteCount, alignment: 1)
    self.memory = memory
    memcpy(memory, start, block.count)
    byteCount = block.count
    streamID = id
    short = nil
  }

  /// What comes now is no block of this kind, or has changed what the last one means.
  mutating func forget() { streamID = 0 }

  /// There may be no other for long.
  mutating func letGo() {
    forget()
    memory?.deallocate()
    memory = nil
  }

  /// The frame that opens this stream in place of the one that has come with this block; nil: there is none.
  ///
  /// - Parameters:
  ///   - fields: What nghttp2 has made of the block before.
  ///   - wholeID: The stream that those came for; 0: they are not whole.
  mutating func frame(
    for id: Int32, _ block: UnsafeRawBufferPointer, after fields: borrowing HeaderBlock, _ wholeID: Int32
  ) -> Frame? {
    guard wholeID == streamID, fields.isKept, let memory else { return nil }
    let start = memory + RepeatedBlock.maxByteCount
    guard let short = short ?? shorten(fields, block, start + FrameHeader.byteCount) else {
      missCount &+= 1
      return nil
    }
    self.short = short
    missCount = 0
    let rest = UnsafeRawBufferPointer(rebasing: block[short.coveredByteCount...])
    if let restStart = rest.baseAddress {
      memcpy(start + FrameHeader.byteCount + short.byteCount, restStart, rest.count)
    }
    repetitionCount &+= 1
    streamID = HPACKScanner.changesNothing(rest) ? id : 0
    let length = short.byteCount + rest.count
    FrameHeader(length: length, type: FrameHeader.headers, flags: FrameHeader.endHeaders, streamID: id).write(to: start)
    return Frame(
      bytes: UnsafeRawBufferPointer(start: start, count: FrameHeader.byteCount + length),
      shortFieldCount: short.shortFieldCount, fieldCount: short.fieldCount, end: short.end)
  }

  /// For what the two blocks have in common.
  private func shorten(
    _ fields: borrowing HeaderBlock, _ other: UnsafeRawBufferPointer, _ payload: UnsafeMutableRawPointer
  ) -> Short? {
    guard let memory, !fields.isTooLarge else { return nil }
    let block = UnsafeRawBufferPointer(start: memory, count: byteCount)
    var common = 0
    while common < min(block.count, other.count), block[common] == other[common] { common += 1 }
    guard HPACKScanner.changesNothing(block) else { return nil }
    var short = Short()
    var (offset, pseudoCount) = (0, 0)
    while let end = HPACKScanner.end(of: short.coveredByteCount, in: block), end <= common {
      guard let field = fields.next(&offset) else { return nil }
      let name = field.name
      let isPseudo = name.first == UInt8(ascii: ":")
      if isPseudo { pseudoCount += 1 }
      if name.equals(":path") {
        payload.storeBytes(of: RepeatedBlock.root, toByteOffset: short.byteCount, as: UInt8.self)
        short.byteCount += 1
        short.shortFieldCount += 1
      } else if isPseudo || name.equals("content-length") || name.equals("host") {
        let count = end - short.coveredByteCount
        memcpy(payload + short.byteCount, memory + short.coveredByteCount, count)
        short.byteCount += count
        short.shortFieldCount += 1
      } else if name.equals("priority") {
        // nghttp2 has its own use for it.
        return nil
      }
      short.coveredByteCount = end
      short.fieldCount += 1
      short.end = offset
    }
    // With all of them in front, nghttp2 takes none that comes behind.
    let isWhole = pseudoCount == RepeatedBlock.pseudoHeaderCount
    return isWhole && short.byteCount < short.coveredByteCount ? short : nil
  }

  /// Of a request (RFC 9113, 8.3.1).
  private static let pseudoHeaderCount = 4
  /// ":path: /" (RFC 7541, Appendix A).
  private static let root: UInt8 = 0x84
}

extension UnsafeRawBufferPointer {
  fileprivate func equals(_ text: StaticString) -> Bool {
    count == text.utf8CodeUnitCount && (count == 0 || memcmp(baseAddress!, text.utf8Start, count) == 0)
  }
}
