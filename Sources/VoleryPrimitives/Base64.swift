/// RFC 4648. Read from both alphabets, with padding or without: protobuf's JSON has it so, and `-bin` metadata
/// (doc/PROTOCOL-HTTP2.md, Binary-Header).
package enum Base64 {
  /// With padding for JSON, without for metadata.
  package static func append(_ content: UnsafeRawBufferPointer, to out: inout [UInt8], isPadded: Bool) {
    var index = 0
    let byteCount = out.count + (content.count + 2) / 3 * 4
    // At least twice as much as before: many small contents in one text must not copy it once each.
    if out.capacity < byteCount { out.reserveCapacity(max(byteCount, out.isEmpty ? 0 : 2 * out.capacity)) }
    while index + 2 < content.count {
      let word = Int(content[index]) << 16 | Int(content[index + 1]) << 8 | Int(content[index + 2])
      out.append(letter(word >> 18))
      out.append(letter(word >> 12))
      out.append(letter(word >> 6))
      out.append(letter(word))
      index += 3
    }
    let rest = content.count - index
    guard rest > 0 else { return }
    let word = Int(content[index]) << 16 | (rest == 2 ? Int(content[index + 1]) << 8 : 0)
    out.append(letter(word >> 18))
    out.append(letter(word >> 12))
    if rest == 2 { out.append(letter(word >> 6)) }
    if isPadded { for _ in rest..<3 { out.append(UInt8(ascii: "=")) } }
  }

  /// Nil for what is not base64: another letter, padding in the middle or of a wrong length, one letter too many.
  package static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
    var end = text.count
    if end % 4 == 0 {
      while end > 0, text.count - end < 2, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
    }
    guard end % 4 != 1 else { return nil }
    var out: [UInt8] = []
    out.reserveCapacity(end * 3 / 4)
    var word: UInt32 = 0
    var bits = 0
    for index in 0..<end {
      guard let value = value(text[index]) else { return nil }
      word = word << 6 | value
      bits += 6
      if bits >= 8 {
        bits -= 8
        out.append(UInt8(truncatingIfNeeded: word >> UInt32(bits)))
      }
    }
    return out
  }

  /// Of the lowest six bits.
  private static func letter(_ bits: Int) -> UInt8 { letters.utf8Start[bits & 63] }

  private static let letters: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

  private static func value(_ letter: UInt8) -> UInt32? {
    switch letter {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(letter - 65)
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(letter - 97) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(letter - 48) + 52
    case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
    default: nil
    }
  }
}
