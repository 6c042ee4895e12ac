/// Up to 15 bytes of ASCII in two words that may overlap: such strings are no objects, most fields have one, and looking
/// at them byte by byte would cost more than all else.
struct SmallText {
  static let largestCount = 15

  private let count: Int
  /// The first 8 bytes and the last 8, or of less than 8 all.
  private let first: UInt64
  private let last: UInt64

  /// Nil where a byte is not ASCII.
  @inline(__always) init?(_ start: UnsafeRawPointer, _ count: Int) {
    self.count = count
    if count >= 8 {
      first = start.loadUnaligned(as: UInt64.self)
      last = start.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
    } else if count >= 4 {
      let rest = UInt64(start.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
      first = UInt64(start.loadUnaligned(as: UInt32.self)) | rest << UInt64(8 * (count - 4))
      last = 0
    } else {
      let middle = UInt64(start.load(fromByteOffset: count / 2, as: UInt8.self))
      let rest = UInt64(start.load(fromByteOffset: count - 1, as: UInt8.self))
      first =
        UInt64(start.load(as: UInt8.self)) | middle << UInt64(8 * (count / 2)) | rest << UInt64(8 * (count - 1))
      last = 0
    }
    if (first | last) & 0x8080_8080_8080_8080 != 0 { return nil }
  }

  /// Nil where it is not known how such a string is laid out.
  @inline(__always) var string: String? {
    // Of the last 8 bytes those that are not among the first 8; there are none in 8 bytes or less.
    let end = (last &>> UInt64(truncatingIfNeeded: 8 &* (15 &- count))) &>> 8
    return SmallString.ascii(first, count > 8 ? end : 0, count)
  }
}
