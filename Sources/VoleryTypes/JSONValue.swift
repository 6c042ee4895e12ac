/// A JSON document as a value: service configs, policy configurations, endpoint files.
public enum JSONValue: Hashable, Sendable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A number's text, as it stood: 64-bit integers and decimals both survive.
  case number(String)
  /// A text, its escapes read.
  case string(String)
  /// Values in their order.
  case array([JSONValue])
  /// Members by their names; of names that came twice, the last.
  case object([String: JSONValue])

  /// The member of an object; nil when this is no object or has none of that name.
  public subscript(name: String) -> JSONValue? {
    if case .object(let members) = self { return members[name] }
    return nil
  }
}

// MARK: Reading

extension JSONValue {
  /// Reads a JSON text (RFC 8259), strictly: one value, no comments, no trailing comma. Of members with the same name the
  /// last one counts.
  ///
  /// - Parameter maxDepth: Arrays and objects within one another; deeper is an error, so that nobody's text can exhaust the
  ///   stack.
  public init(parsing text: String, maxDepth: Int = 64) throws(JSONError) {
    var text = text
    let result = text.withUTF8 { text -> Result<JSONValue, JSONError> in
      var scanner = JSONScanner(text)
      do throws(JSONError) {
        let value = try JSONValue(&scanner, depth: 0, maxDepth: maxDepth)
        try scanner.expectEnd()
        return .success(value)
      } catch {
        return .failure(error)
      }
    }
    self = try result.get()
  }

  private init(_ scanner: inout JSONScanner, depth: Int, maxDepth: Int) throws(JSONError) {
    guard depth <= maxDepth else { throw scanner.error("not JSON: more than \(maxDepth) levels") }
    switch scanner.peek() {
    case UInt8(ascii: "{"): self = .object(try JSONValue.members(&scanner, depth: depth, maxDepth: maxDepth))
    case UInt8(ascii: "["): self = .array(try JSONValue.elements(&scanner, depth: depth, maxDepth: maxDepth))
    case UInt8(ascii: "\""): self = .string(try scanner.string())
    case UInt8(ascii: "t") where scanner.skip(word: "true"): self = .bool(true)
    case UInt8(ascii: "f") where scanner.skip(word: "false"): self = .bool(false)
    case UInt8(ascii: "n") where scanner.skip(word: "null"): self = .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      self = .number(String(decoding: try scanner.number(), as: UTF8.self))
    default:
      let what = scanner.isAtEnd ? "the text ends where a value should be" : "no value starts like this"
      throw scanner.error("not JSON: \(what)")
    }
  }

  private static func members(
    _ scanner: inout JSONScanner, depth: Int, maxDepth: Int
  ) throws(JSONError) -> [String: JSONValue] {
    var members: [String: JSONValue] = [:]
    try scanner.expect("{")
    if scanner.skip("}") { return members }
    repeat {
      let name = try scanner.string()
      try scanner.expect(":")
      members[name] = try JSONValue(&scanner, depth: depth + 1, maxDepth: maxDepth)
    } while try scanner.continues(until: "}")
    return members
  }

  private static func elements(
    _ scanner: inout JSONScanner, depth: Int, maxDepth: Int
  ) throws(JSONError) -> [JSONValue] {
    var elements: [JSONValue] = []
    try scanner.expect("[")
    if scanner.skip("]") { return elements }
    repeat {
      elements.append(try JSONValue(&scanner, depth: depth + 1, maxDepth: maxDepth))
    } while try scanner.continues(until: "]")
    return elements
  }
}

// MARK: Writing

extension JSONValue {
  /// The value as a JSON text, without spaces; members in the order of their names, so that equal values have equal texts.
  public var text: String {
    var text = ""
    write(to: &text)
    return text
  }

  private func write(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .bool(let bool): text += bool ? "true" : "false"
    case .number(let number): text += number
    case .string(let string): JSONValue.write(string, to: &text)
    case .array(let elements):
      text += "["
      for (index, element) in elements.enumerated() {
        if index > 0 { text += "," }
        element.write(to: &text)
      }
      text += "]"
    case .object(let members):
      text += "{"
      for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
        if index > 0 { text += "," }
        JSONValue.write(member.key, to: &text)
        text += ":"
        member.value.write(to: &text)
      }
      text += "}"
    }
  }

  private static func write(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\u{0}"..<" ":
        let hex = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
