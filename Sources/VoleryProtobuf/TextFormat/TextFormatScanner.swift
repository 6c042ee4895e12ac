import VoleryTypes

/// Reads text format's tokens (protobuf.dev, Text Format Language Specification). It does not own the text.
struct TextFormatScanner {
  private let text: UnsafeBufferPointer<UInt8>
  private var index = 0

  init(_ text: UnsafeBufferPointer<UInt8>) { self.text = text }

  func error(_ what: String) -> MessageTextError {
    let line = 1 + text[..<min(index, text.count)].reduce(0) { $0 + ($1 == 0x0a ? 1 : 0) }
    return MessageTextError("\(what) (line \(line), byte \(index))")
  }

  /// Passes over white space and comments.
  private mutating func skipSpace() {
    while index < text.count {
      switch text[index] {
      case 0x20, 0x09...0x0d: index += 1
      case UInt8(ascii: "#"): while index < text.count, text[index] != 0x0a { index += 1 }
      default: return
      }
    }
  }

  /// The first byte of the next token; 0 at the end.
  mutating func peek() -> UInt8 {
    skipSpace()
    return index < text.count ? text[index] : 0
  }

  var isAtEnd: Bool { index >= text.count }

  mutating func skip(_ letter: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: letter) else { return false }
    index += 1
    return true
  }

  mutating func expect(_ letter: Unicode.Scalar) throws(MessageTextError) {
    guard skip(letter) else { throw error("'\(letter)' is expected") }
  }

  // MARK: Names

  /// A name; nil where something else comes.
  mutating func identifier() -> String? {
    skipSpace()
    let start = index
    guard index < text.count, text[index].isLetter else { return nil }
    while index < text.count, text[index].isLetter || text[index].isDigit { index += 1 }
    return String(decoding: text[start..<index], as: UTF8.self)
  }

  /// What stands in the brackets of an extension's name or a type URL, without white space.
  mutating func bracketedName() throws(MessageTextError) -> String {
    var name: [UInt8] = []
    while true {
      let byte = peek()
      if byte == UInt8(ascii: "]"), !name.isEmpty {
        index += 1
        return String(decoding: name, as: UTF8.self)
      }
      guard byte > 0x20, byte < 0x7f, byte != UInt8(ascii: "["), byte != UInt8(ascii: "\"") else {
        throw error("the name in brackets is malformed")
      }
      name.append(byte)
      index += 1
    }
  }

  // MARK: Numbers

  /// The letters and digits of a number or a word, without a sign.
  mutating func literal() throws(MessageTextError) -> String {
    skipSpace()
    let start = index
    while index < text.count {
      let byte = text[index]
      let isSign = byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
      guard byte.isLetter || byte.isDigit || byte == UInt8(ascii: ".") || isSign && isExponent(from: start) else {
        break
      }
      index += 1
    }
    guard start < index else { throw error("a value is expected") }
    return String(decoding: text[start..<index], as: UTF8.self)
  }

  /// Whether a sign here belongs to the exponent of a decimal number.
  private func isExponent(from start: Int) -> Bool {
    guard index > start, text[index - 1] | 0x20 == UInt8(ascii: "e"),
      text[start].isDigit || text[start] == UInt8(ascii: ".")
    else { return false }
    return !(index - start > 1 && text[start] == UInt8(ascii: "0") && text[start + 1] | 0x20 == UInt8(ascii: "x"))
  }

  // MARK: Strings

  /// One or several literals, which belong together.
  mutating func string() throws(MessageTextError) -> [UInt8] {
    var out: [UInt8] = []
    repeat { try literal(&out) } while peek() == UInt8(ascii: "\"") || peek() == UInt8(ascii: "'")
    return out
  }

  private mutating func literal(_ out: inout [UInt8]) throws(MessageTextError) {
    let quote = peek()
    guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else { throw error("a string is expected") }
    index += 1
    while index < text.count {
      let byte = text[index]
      index += 1
      switch byte {
      case quote: return
      case UInt8(ascii: "\\"): try escape(&out)
      case 0x0a, 0: throw error("a string ends with its line")
      default: out.append(byte)
      }
    }
    throw error("a string without an end")
  }

  private mutating func escape(_ out: inout [UInt8]) throws(MessageTextError) {
    guard index < text.count else { throw error("a string without an end") }
    let byte = text[index]
    index += 1
    switch byte {
    case UInt8(ascii: "a"): out.append(0x07)
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0c)
    case UInt8(ascii: "n"): out.append(0x0a)
    case UInt8(ascii: "r"): out.append(0x0d)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "v"): out.append(0x0b)
    case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "?"): out.append(byte)
    case UInt8(ascii: "0")...UInt8(ascii: "7"):
      index -= 1
      let value = digits(radix: 8, 1...3) ?? 256
      guard value < 256 else { throw error("an octal escape beyond 377") }
      out.append(UInt8(value))
    case UInt8(ascii: "x"), UInt8(ascii: "X"):
      guard let value = digits(radix: 16, 1...2) else { throw error("hexadecimal digits are expected") }
      out.append(UInt8(value))
    case UInt8(ascii: "u"): try scalar(4, &out)
    case UInt8(ascii: "U"): try scalar(8, &out)
    default: throw error("an unknown escape in a string")
    }
  }

  private mutating func scalar(_ count: Int, _ out: inout [UInt8]) throws(MessageTextError) {
    guard let value = digits(radix: 16, count...count) else { throw error("\(count) hexadecimal digits are expected") }
    guard let scalar = Unicode.Scalar(value) else { throw error("a string has what is no character of Unicode") }
    out.append(contentsOf: UTF8.encode(scalar)!)
  }

  private mutating func digits(radix: UInt8, _ counts: ClosedRange<Int>) -> UInt32? {
    var value: UInt32 = 0
    var count = 0
    while count < counts.upperBound, index < text.count, let digit = text[index].hexadecimalDigit, digit < radix {
      value = value &* UInt32(radix) &+ UInt32(digit)
      index += 1
      count += 1
    }
    return counts.contains(count) ? value : nil
  }
}

extension UInt8 {
  fileprivate var isLetter: Bool { (self | 0x20) &- UInt8(ascii: "a") < 26 || self == UInt8(ascii: "_") }
  fileprivate var isDigit: Bool { self &- 0x30 < 10 }
}
