/// Walks the fields of a header block without reading them: where each ends, and whether it changes HPACK's table.
enum HPACKScanner {
  /// Whether these fields leave HPACK's table as it is.
  static func changesNothing(_ block: UnsafeRawBufferPointer) -> Bool {
    var start = 0
    while start < block.count {
      guard let end = end(of: start, in: block) else { return false }
      start = end
    }
    return true
  }

  /// Where the field that begins at `start` ends; nil where it changes the table (RFC 7541, 6.2.1 and 6.3), or is none.
  static func end(of start: Int, in block: UnsafeRawBufferPointer) -> Int? {
    guard start < block.count else { return nil }
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
