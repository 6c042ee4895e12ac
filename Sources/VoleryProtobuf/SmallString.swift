import Synchronization

/// A string of up to 15 bytes as the standard library has it: its bytes are in the value itself, which has 16, and the last of
/// those has their count and what kind of string it is. That way a short field is two words that are read or written, where
/// asking for the bytes of a string, or making one, takes three times as much.
///
/// The compiler has put this layout into every program (`String` is frozen), but the standard library's interface does not
/// promise it. So it is tried before it is used (`Arena`), and where it is another, as on 32 bits, all of this is nil.
package struct SmallString {
  /// Also the least count of bytes that no such string has.
  static let byteCount = 16

  private static let isSmall: UInt64 = 1 << 61
  private static let asciiMark: UInt64 = 0xe0 << 56

  private let first: UInt64
  private let second: UInt64

  /// Nil for all other strings.
  @inline(__always) init?(_ string: String) {
    guard SmallString.isLayoutKnown else { return nil }
    (first, second) = SmallString.words(string)
    guard second & SmallString.isSmall != 0 else { return nil }
  }

  @inline(__always) var count: Int { Int(truncatingIfNeeded: (second &>> 56) & 0xf) }

  /// Writes 16 bytes, of which the first `count` are the string's.
  @inline(__always) func store(to memory: UnsafeMutableRawPointer) {
    memory.storeBytes(of: first, as: UInt64.self)
    memory.storeBytes(of: second, toByteOffset: 8, as: UInt64.self)
  }

  /// The string whose bytes, 1 to 15 of ASCII, are in these two words, followed by zeros.
  @inline(__always) static func ascii(_ first: UInt64, _ second: UInt64, _ count: Int) -> String? {
    guard isLayoutKnown else { return nil }
    return string(first, second | asciiMark | (UInt64(truncatingIfNeeded: count) &<< 56))
  }

  private static let known = Atomic(false)

  /// Whether it has been tried, and is as is said above.
  package static var isLayoutKnown: Bool { @inline(__always) get { known.load(ordering: .relaxed) } }

  /// Looks at strings of every small length.
  static func tryLayout() { if isLaidOutAsExpected { known.store(true, ordering: .relaxed) } }

  private static let isLaidOutAsExpected: Bool = {
    guard MemoryLayout<String>.size == byteCount, MemoryLayout<UInt>.size == 8, UInt64(1).littleEndian == 1 else {
      return false
    }
    return (0..<byteCount).allSatisfy { count in
      // A letter that is not ASCII in every other one; what is not small begins at 16 bytes.
      let ascii = (0..<count).map { UInt8(0x61 + $0) }
      let isAsExpected = { (bytes: [UInt8], mark: UInt64) in
        let text = words(String(decoding: bytes, as: UTF8.self))
        let word = { (range: Range<Int>) in
          range.reduce(UInt64(0)) { $1 < bytes.count ? $0 | UInt64(bytes[$1]) << UInt64($1 % 8 * 8) : $0 }
        }
        return text == (word(0..<8), word(8..<15) | mark << 56 | UInt64(bytes.count) << 56)
      }
      guard isAsExpected(ascii, 0xe0) else { return false }
      return count < 2 || isAsExpected([0xc3, 0xa4] + ascii.dropFirst(2), 0xa0)
    } && words(String(repeating: "a", count: byteCount)).1 & isSmall == 0
  }()

  @inline(__always) private static func words(_ string: String) -> (UInt64, UInt64) {
    unsafeBitCast(string, to: (UInt64, UInt64).self)
  }

  @inline(__always) private static func string(_ first: UInt64, _ second: UInt64) -> String {
    unsafeBitCast((first, second), to: String.self)
  }
}
