import VoleryPlatform

/// A text that is not JSON, and where.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
}

extension JSONValue {
  /// Reads a JSON text (RFC 8259), strictly: one value, no comments, no trailing comma, unique member names win last.
  ///
  /// - Parameter maxDepth: Arrays and objects within one another; deeper is an error, so that nobody's text can exhaust the
  ///   stack.
  public init(parsing text: String, maxDepth: Int = 64) throws(JSONError) {
    var parser = JSONParser(bytes: Array(text.utf8), maxDepth: maxDepth)
    self = try parser.parseDocument()
  }
}

struct JSONParser {
  private let bytes: [UInt8]
  private let maxDepth: Int
  private var index = 0

  init(bytes: [UInt8], maxDepth: Int) {
    self.bytes = bytes
    self.maxDepth = maxDepth
  }

  mutating func parseDocument() throws(JSONError) -> JSONValue {
    let value = try parseValue(depth: 0)
    skipSpace()
    guard index == bytes.count else { throw error("something follows the value") }
    return value
  }

  private func error(_ what: String) -> JSONError {
    let line = 1 + bytes[..<min(index, bytes.count)].reduce(0) { $0 + ($1 == 0x0a ? 1 : 0) }
    return JSONError(description: "not JSON: \(what) at byte \(index), line \(line)")
  }

  private mutating func skipSpace() {
    while index < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[index]) { index += 1 }
  }

  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func parseValue(depth: Int) throws(JSONError) -> JSONValue {
    skipSpace()
    guard depth <= maxDepth else { throw error("more than \(maxDepth) levels") }
    guard let byte = next else { throw error("the text ends where a value should be") }
    switch byte {
    case UInt8(ascii: "{"): return try parseObject(depth: depth)
    case UInt8(ascii: "["): return try parseArray(depth: depth)
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
    default: throw error("no value starts like this")
    }
  }

  private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
    let count = word.utf8CodeUnitCount
    guard index + count <= bytes.count,
      bytes[index..<(index + count)].elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: count))
    else { throw error("an unknown word") }
    index += count
    return value
  }

  private mutating func parseObject(depth: Int) throws(JSONError) -> JSONValue {
    var members: [String: JSONValue] = [:]
    index += 1
    skipSpace()
    if next == UInt8(ascii: "}") {
      index += 1
      return .object(members)
    }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw error("a member's name should be here") }
      let name = try parseString()
      skipSpace()
      guard next == UInt8(ascii: ":") else { throw error("a ':' should be here") }
      index += 1
      members[name] = try parseValue(depth: depth + 1)
      if try !parseSeparator(end: UInt8(ascii: "}")) { return .object(members) }
    }
  }

  private mutating func parseArray(depth: Int) throws(JSONError) -> JSONValue {
    var elements: [JSONValue] = []
    index += 1
    skipSpace()
    if next == UInt8(ascii: "]") {
      index += 1
      return .array(elements)
    }
    while true {
      elements.append(try parseValue(depth: depth + 1))
      if try !parseSeparator(end: UInt8(ascii: "]")) { return .array(elements) }
    }
  }

  /// Whether another element follows.
  private mutating func parseSeparator(end: UInt8) throws(JSONError) -> Bool {
    skipSpace()
    guard let byte = next, byte == UInt8(ascii: ",") || byte == end else {
      throw error("a ',' or the end of the list should be here")
    }
    index += 1
    return byte != end
  }

  private mutating func parseNumber() throws(JSONError) -> JSONValue {
    let start = index
    if next == UInt8(ascii: "-") { index += 1 }
    let whole = skipDigits()
    guard whole > 0, whole == 1 || bytes[index - whole] != UInt8(ascii: "0") else { throw error("a malformed number") }
    if next == UInt8(ascii: ".") {
      index += 1
      guard skipDigits() > 0 else { throw error("a malformed number") }
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      index += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { index += 1 }
      guard skipDigits() > 0 else { throw error("a malformed number") }
    }
    return .number(String(decoding: bytes[start..<index], as: UTF8.self))
  }

  private mutating func skipDigits() -> Int {
    let start = index
    while let byte = next, byte &- 0x30 < 10 { index += 1 }
    return index - start
  }

  private mutating func parseString() throws(JSONError) -> String {
    index += 1
    var out: [UInt8] = []
    while let byte = next {
      index += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: out, as: UTF8.self) else { throw error("a string that is not UTF-8") }
        return text
      case UInt8(ascii: "\\"): try parseEscape(&out)
      case 0..<0x20: throw error("a control character in a string")
      default: out.append(byte)
      }
    }
    throw error("a string without an end")
  }

  private mutating func parseEscape(_ out: inout [UInt8]) throws(JSONError) {
    guard let byte = next else { throw error("a string without an end") }
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0c)
    case UInt8(ascii: "n"): out.append(0x0a)
    case UInt8(ascii: "r"): out.append(0x0d)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "u"): out.append(contentsOf: String(Character(try parseUnicode())).utf8)
    default: throw error("an unknown escape")
    }
  }

  private mutating func parseUnicode() throws(JSONError) -> Unicode.Scalar {
    let first = try parseHex()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard (0xd800..<0xdc00).contains(first), next == UInt8(ascii: "\\") else { throw error("half a surrogate pair") }
    index += 1
    guard next == UInt8(ascii: "u") else { throw error("half a surrogate pair") }
    index += 1
    let second = try parseHex()
    guard (0xdc00..<0xe000).contains(second) else { throw error("half a surrogate pair") }
    return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))!
  }

  /// Digit by digit: the standard library's initializer with a radix would take a sign for the first.
  private mutating func parseHex() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, byte < 0x80, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw error("four hexadecimal digits should be here")
      }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }
}
