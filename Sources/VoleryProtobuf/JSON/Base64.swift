/// RFC 4648: written with padding; read from both alphabets, with padding or without.
enum Base64 {
  private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func append(_ content: UnsafeRawBufferPointer, to out: inout [UInt8]) {
    var index = 0
    out.reserveCapacity(out.count + (content.count + 2) / 3 * 4)
    while index + 2 < content.count {
      let word = Int(content[index]) << 16 | Int(content[index + 1]) << 8 | Int(content[index + 2])
      out.append(letters[word >> 18])
      out.append(letters[word >> 12 & 63])
      out.append(letters[word >> 6 & 63])
      out.append(letters[word & 63])
      index += 3
    }
    switch content.count - index {
    case 1:
      let word = Int(content[index]) << 16
      out += [letters[word >> 18], letters[word >> 12 & 63], UInt8(ascii: "="), UInt8(ascii: "=")]
    case 2:
      let word = Int(content[index]) << 16 | Int(content[index + 1]) << 8
      out += [letters[word >> 18], letters[word >> 12 & 63], letters[word >> 6 & 63], UInt8(ascii: "=")]
    default: break
    }
  }

  /// Nil for what is not base64.
  static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
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
