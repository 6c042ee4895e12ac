/// Shortens the literals of a header block that nghttp2 can't read: it ends the connection at one of over 64 KiB. The block
/// means the same to HPACK's dynamic table: an entry that is larger than the table empties it (RFC 7541, 4.4), whatever it is.
///
/// Reads HPACK's framing only (RFC 7541, 6), in pieces as they come; what is no HPACK passes through, for nghttp2 to judge.
struct LiteralTrimmer {
  /// nghttp2's NGHTTP2_HD_MAX_NV.
  static let longestLiteral = 65_536
  /// In place of a longer one: over the 4096 bytes of the dynamic table that every end starts with, and that none of ours
  /// changes. A byte that names may have too.
  private static let replacement = [UInt8](repeating: UInt8(ascii: "x"), count: 4097)

  private enum State {
    case representation
    /// The rest of an index or of a table's size, behind which this many strings follow.
    case integer(strings: Int)
    case length(strings: Int)
    case lengthRest(strings: Int, isHuffman: Bool, value: Int, shift: Int)
    case copy(left: Int, strings: Int)
    case skip(left: Int, strings: Int)
    /// No HPACK.
    case passing
  }

  private var state = State.representation
  /// Bytes of literals that were taken out.
  private(set) var trimmedByteCount = 0

  /// What nghttp2 is to be given in place of the next piece of the block.
  mutating func trim(_ piece: some Collection<UInt8>) -> [UInt8] {
    var out: [UInt8] = []
    var rest = piece[...]
    while let byte = rest.first {
      switch state {
      case .representation:
        begin(byte, &out)
        rest.removeFirst()
      case .integer(let strings):
        out.append(byte)
        rest.removeFirst()
        if byte & 0x80 == 0 { state = LiteralTrimmer.next(strings) }
      case .length(let strings):
        rest.removeFirst()
        let isHuffman = byte & 0x80 != 0
        if byte & 0x7f < 0x7f {
          enter(strings, isHuffman, Int(byte & 0x7f), &out)
        } else {
          state = .lengthRest(strings: strings, isHuffman: isHuffman, value: 0x7f, shift: 0)
        }
      case .lengthRest(let strings, let isHuffman, let value, let shift):
        rest.removeFirst()
        readLength(byte, strings, isHuffman, value, shift, &out)
      case .copy(let left, let strings):
        let taken = rest.prefix(left)
        out += taken
        rest = rest.dropFirst(taken.count)
        state = left > taken.count ? .copy(left: left - taken.count, strings: strings) : LiteralTrimmer.next(strings)
      case .skip(let left, let strings):
        let count = min(left, rest.count)
        rest = rest.dropFirst(count)
        state = left > count ? .skip(left: left - count, strings: strings) : LiteralTrimmer.next(strings)
      case .passing:
        out += rest
        return out
      }
    }
    return out
  }

  /// What follows, when so many strings are left of a representation.
  private static func next(_ strings: Int) -> State { strings > 0 ? .length(strings: strings) : .representation }

  private mutating func begin(_ byte: UInt8, _ out: inout [UInt8]) {
    out.append(byte)
    // Indexed; literal with indexing; size update; literal without indexing, or never indexed.
    let (bits, isLiteral): (UInt8, Bool) =
      byte & 0x80 != 0 ? (7, false) : byte & 0x40 != 0 ? (6, true) : byte & 0x20 != 0 ? (5, false) : (4, true)
    let mask = UInt8(1) << bits - 1
    // An index of 0 says that the name is a string too.
    let strings = !isLiteral ? 0 : byte & mask == 0 ? 2 : 1
    state = byte & mask == mask ? .integer(strings: strings) : LiteralTrimmer.next(strings)
  }

  private mutating func readLength(
    _ byte: UInt8, _ strings: Int, _ isHuffman: Bool, _ value: Int, _ shift: Int, _ out: inout [UInt8]
  ) {
    let value = value + Int(byte & 0x7f) << shift
    guard shift <= 21, value <= 1 << 28 else {
      // No sender means that: a length that nghttp2 refuses.
      out += [0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f]
      state = .passing
      return
    }
    if byte & 0x80 != 0 {
      state = .lengthRest(strings: strings, isHuffman: isHuffman, value: value, shift: shift + 7)
    } else {
      enter(strings, isHuffman, value, &out)
    }
  }

  /// A string of this length begins.
  private mutating func enter(_ strings: Int, _ isHuffman: Bool, _ length: Int, _ out: inout [UInt8]) {
    if length > LiteralTrimmer.longestLiteral {
      trimmedByteCount += length
      LiteralTrimmer.appendLength(LiteralTrimmer.replacement.count, isHuffman: false, to: &out)
      out += LiteralTrimmer.replacement
      state = .skip(left: length, strings: strings - 1)
    } else {
      LiteralTrimmer.appendLength(length, isHuffman: isHuffman, to: &out)
      state = length > 0 ? .copy(left: length, strings: strings - 1) : LiteralTrimmer.next(strings - 1)
    }
  }

  /// An integer with a prefix of seven bits (RFC 7541, 5.1).
  private static func appendLength(_ length: Int, isHuffman: Bool, to out: inout [UInt8]) {
    let flag: UInt8 = isHuffman ? 0x80 : 0
    guard length >= 0x7f else { return out.append(flag | UInt8(length)) }
    out.append(flag | 0x7f)
    var rest = length - 0x7f
    while rest >= 0x80 {
      out.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    out.append(UInt8(rest))
  }
}
