import VoleryPlatform

/// A literal header field without indexing, with a new name, neither of them Huffman-coded (RFC 7541, 6.2.2): every peer reads it,
/// whatever its table has.
enum HPACKLiteral {
  static func byteCount(_ name: Int, _ value: Int) -> Int {
    1 + integerByteCount(name) + name + integerByteCount(value) + value
  }

  static func write(
    _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, to next: inout UnsafeMutableRawPointer
  ) {
    put(0, &next)
    for text in [name, value] {
      writeInteger(text.count, &next)
      if let start = text.baseAddress { memcpy(next, start, text.count) }
      next += text.count
    }
  }

  /// With a prefix of seven bits (5.1).
  private static func integerByteCount(_ value: Int) -> Int {
    guard value >= 127 else { return 1 }
    var (rest, count) = (value - 127, 2)
    while rest >= 128 {
      rest >>= 7
      count += 1
    }
    return count
  }

  private static func writeInteger(_ value: Int, _ next: inout UnsafeMutableRawPointer) {
    guard value >= 127 else { return put(UInt8(value), &next) }
    put(127, &next)
    var rest = value - 127
    while rest >= 128 {
      put(UInt8(rest & 0x7f) | 0x80, &next)
      rest >>= 7
    }
    put(UInt8(rest), &next)
  }

  private static func put(_ byte: UInt8, _ next: inout UnsafeMutableRawPointer) {
    next.storeBytes(of: byte, as: UInt8.self)
    next += 1
  }
}
