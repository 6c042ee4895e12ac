/// Why a text is not JSON, or not what it should be, and where.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
  /// `not JSON: ... (line 1, byte 7)`; bytes are counted from 0.
  public let description: String
}

/// Reads JSON's tokens (RFC 8259), strictly: no comments, no trailing commas, no other forms of numbers. The one reader of
/// JSON: `JSONValue` is made with it, and protobuf's messages by their schemas. It does not own the text.
///
/// Inlined are the steps that every token takes.
package struct JSONScanner {
  @usableFromInline package let text: UnsafeBufferPointer<UInt8>
  /// Of the next byte. Whoever sets it goes to a place where the scanner was before.
  @usableFromInline package var index = 0

  @inlinable package init(_ text: UnsafeBufferPointer<UInt8>) { self.text = text }

  @inlinable package var isAtEnd: Bool { index >= text.count }

  package func error(_ what: String) -> JSONError {
    let line = 1 + text[..<min(index, text.count)].reduce(0) { $0 + ($1 == 0x0a ? 1 : 0) }
    return JSONError(description: "\(what) (line \(line), byte \(index))")
  }

  private func notJSON(_ what: String) -> JSONError { error("not JSON: \(what)") }

  @usableFromInline func missing(_ letter: Unicode.Scalar) -> JSONError { notJSON("'\(letter)' is expected") }

  @usableFromInline func unfinished(_ end: Unicode.Scalar) -> JSONError { notJSON("',' or '\(end)' is expected") }

  @inlinable mutating func skipSpace() {
    while index < text.count {
      switch text[index] {
      case 0x20, 0x09, 0x0a, 0x0d: index += 1
      default: return
      }
    }
  }

  /// The first byte of the next token; 0 at the end.
  @inlinable package mutating func peek() -> UInt8 {
    skipSpace()
    return index < text.count ? text[index] : 0
  }

  @inlinable package mutating func skip(_ letter: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: letter) else { return false }
    index += 1
    return true
  }

  @inlinable package mutating func expect(_ letter: Unicode.Scalar) throws(JSONError) {
    guard skip(letter) else { throw missing(letter) }
  }

  package mutating func skip(word: StaticString) -> Bool {
    skipSpace()
    let count = word.utf8CodeUnitCount
    guard text.count - index >= count,
      text[index..<(index + count)].elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: count))
    else { return false }
    index += count
    return true
  }

  package mutating func expectEnd() throws(JSONError) {
    skipSpace()
    guard isAtEnd else { throw notJSON("something follows the value") }
  }

  /// Whether another element follows; takes the comma, or the end.
  @inlinable package mutating func continues(until end: Unicode.Scalar) throws(JSONError) -> Bool {
    if skip(",") { return true }
    guard skip(end) else { throw unfinished(end) }
    return false
  }

  // MARK: Numbers

  /// The bytes of a number.
  package mutating func number() throws(JSONError) -> UnsafeBufferPointer<UInt8> {
    skipSpace()
    let rest = UnsafeBufferPointer(rebasing: text[index...])
    guard let length = JSONNumber.length(rest), length > 0 else { throw notJSON("a number is expected") }
    index += length
    return UnsafeBufferPointer(rebasing: rest[..<length])
  }

  // MARK: Strings

  package mutating func string() throws(JSONError) -> String {
    try expect("\"")
    let start = index
    while index < text.count {
      let byte = text[index]
      if byte == UInt8(ascii: "\"") {
        defer { index += 1 }
        return try validated(UnsafeBufferPointer(rebasing: text[start..<index]))
      }
      if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
      guard byte >= 0x20 else { throw notJSON("a control character in a string") }
      index += 1
    }
    throw notJSON("a string without an end")
  }

  private func validated(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONError) -> String {
    guard let string = String(validating: bytes, as: UTF8.self) else { throw notJSON("a string is not UTF-8") }
    return string
  }

  private mutating func escapedString(from start: Int) throws(JSONError) -> String {
    var out = Array(text[start..<index])
    while index < text.count {
      let byte = text[index]
      index += 1
      switch byte {
      case UInt8(ascii: "\""):
        return try out.withUnsafeBufferPointer { bytes throws(JSONError) in try validated(bytes) }
      case UInt8(ascii: "\\"): try escape(&out)
      case 0..<0x20: throw notJSON("a control character in a string")
      default: out.append(byte)
      }
    }
    throw notJSON("a string without an end")
  }

  private mutating func escape(_ out: inout [UInt8]) throws(JSONError) {
    guard index < text.count else { throw notJSON("a string without an end") }
    let byte = text[index]
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0c)
    case UInt8(ascii: "n"): out.append(0x0a)
    case UInt8(ascii: "r"): out.append(0x0d)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "u"): out.append(contentsOf: UTF8.encode(try scalar())!)
    default: throw notJSON("an unknown escape in a string")
    }
  }

  private mutating func scalar() throws(JSONError) -> Unicode.Scalar {
    let first = try hexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xdc00, text.count - index >= 6, text[index] == UInt8(ascii: "\\"),
      text[index + 1] == UInt8(ascii: "u")
    else { throw notJSON("half a surrogate pair in a string") }
    index += 2
    let second = try hexadecimal()
    guard (0xdc00..<0xe000).contains(second) else { throw notJSON("half a surrogate pair in a string") }
    return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))!
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    guard text.count - index >= 4 else { throw notJSON("four hexadecimal digits are expected") }
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = text[index].hexadecimalDigit else { throw notJSON("four hexadecimal digits are expected") }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }

  // MARK: Passing over

  /// Passes over a value. `member` is told the names of objects' members: where the object starts, the name and where
  /// its value starts.
  package mutating func skipValue(
    depth: Int, maxDepth: Int, _ member: (Int, String, Int) -> Void = { _, _, _ in }
  ) throws(JSONError) {
    guard depth <= maxDepth else { throw error("more than \(maxDepth) levels") }
    switch peek() {
    case UInt8(ascii: "{"):
      let start = index
      index += 1
      if skip("}") { return }
      repeat {
        _ = peek()
        let name = try string()
        try expect(":")
        member(start, name, index)
        try skipValue(depth: depth + 1, maxDepth: maxDepth, member)
      } while try continues(until: "}")
    case UInt8(ascii: "["):
      index += 1
      if skip("]") { return }
      repeat { try skipValue(depth: depth + 1, maxDepth: maxDepth, member) } while try continues(until: "]")
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "t") where skip(word: "true"): return
    case UInt8(ascii: "f") where skip(word: "false"): return
    case UInt8(ascii: "n") where skip(word: "null"): return
    default: _ = try number()
    }
  }
}
