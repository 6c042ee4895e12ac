/// The default that a .proto gives a field (`[default = ...]`), as Swift. Descriptors have it as text.
struct DefaultValue {
  let field: FieldDescriptor
  let types: TypeTable

  init(_ field: FieldDescriptor, _ types: TypeTable) {
    self.field = field
    self.types = types
  }

  func swift(type: String) throws -> String {
    let text = field.defaultText ?? ""
    switch field.kind {
    case .string: return DefaultValue.literal(text)
    case .bytes: return "[\(DefaultValue.unescaped(text).map(String.init).joined(separator: ", "))]"
    case .enum:
      guard let value = try types[field.typeName].enumeration?.values.first(where: { $0.name == text }) else {
        throw PluginError("\(field.fullName): the default \(text) is not a value of \(field.typeName)")
      }
      // By its number: the case may be deprecated, or an alias.
      return "\(type)(rawValue: \(value.number))\(try types[field.typeName].enumeration!.isClosed ? "!" : "")"
    case .float, .double:
      let text = DefaultValue.canonical(text, isDouble: field.kind == .double)
      switch text {
      case "inf": return ".infinity"
      case "-inf": return "-.infinity"
      case "nan": return ".nan"
      // A whole number would lose the sign of a zero.
      default: return text.contains { $0 == "." || $0 == "e" } ? text : "\(text).0"
      }
    default: return text
    }
  }

  /// The shortest text that is the same number; compilers write more digits, or other ones.
  static func canonical(_ text: String, isDouble: Bool) -> String {
    if text.hasSuffix("nan") { return "nan" }
    guard let short = isDouble ? Double(text).map({ "\($0)" }) : Float(text).map({ "\($0)" }) else { return text }
    return short.hasSuffix(".0") ? String(short.dropLast(2)) : short
  }

  private static func literal(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": out += "\\\(scalar)"
      case _ where scalar.value < 0x20 || scalar.value == 0x7f: out += "\\u{\(String(scalar.value, radix: 16))}"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }

  /// C's escapes, in which descriptors have bytes.
  private static func unescaped(_ text: String) -> [UInt8] {
    let simple: [UInt8: UInt8] = [
      0x6e: 10, 0x72: 13, 0x74: 9, 0x61: 7, 0x62: 8, 0x66: 12, 0x76: 11,  // n r t a b f v
    ]
    var out: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), let code = rest.popFirst() else {
        out.append(byte)
        continue
      }
      if (0x30...0x37).contains(code) {
        var digits = [code]
        while digits.count < 3, let next = rest.first, (0x30...0x37).contains(next) {
          digits.append(rest.removeFirst())
        }
        out.append(UInt8(truncatingIfNeeded: digits.reduce(0) { $0 * 8 + Int($1 - 0x30) }))
      } else if code == UInt8(ascii: "x") || code == UInt8(ascii: "X") {
        let digits = rest.prefix(2).prefix { Character(UnicodeScalar($0)).isHexDigit }
        out.append(UInt8(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0)
        rest = rest.dropFirst(digits.count)
      } else {
        out.append(simple[code] ?? code)
      }
    }
    return out
  }
}
