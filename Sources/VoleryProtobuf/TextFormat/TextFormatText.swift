/// Text format that grows: names, scalars and brackets.
struct TextFormatText {
  private(set) var bytes: [UInt8] = []

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  private mutating func indent(_ depth: Int) {
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
  }

  mutating func endLine() { bytes.append(UInt8(ascii: "\n")) }

  mutating func name(_ name: String, _ depth: Int) {
    indent(depth)
    append(name)
    append(": ")
  }

  mutating func line(_ name: String, _ value: String, _ depth: Int) {
    self.name(name, depth)
    append(value)
    endLine()
  }

  mutating func open(_ name: String, _ depth: Int) {
    indent(depth)
    append(name)
    append(" {\n")
  }

  mutating func close(_ depth: Int) {
    indent(depth)
    append("}\n")
  }

  static func hexadecimal(_ value: UInt64, _ width: Int) -> String {
    let digits = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }

  mutating func scalar(_ value: WireScalar, _ field: FieldSchema) {
    switch value {
    case .signed(let number): append(String(number))
    case .unsigned(let number): append(String(number))
    case .float(let number): number.isFinite ? decimal(number.description) : notFinite(Double(number))
    case .double(let number): number.isFinite ? decimal(number.description) : notFinite(number)
    case .bool(let isTrue): append(isTrue ? "true" : "false")
    case .enumeration(let number): append(field.enumeration.name(of: number) ?? String(number))
    case .string(let text): string(text, isText: true)
    case .bytes(let content): string(content, isText: false)
    }
  }

  private mutating func notFinite(_ number: Double) { append(number.isNaN ? "nan" : number < 0 ? "-inf" : "inf") }

  private mutating func decimal(_ text: String) { append(text.hasSuffix(".0") ? String(text.dropLast(2)) : text) }

  /// - Parameter isText: UTF-8 stays as it is; all else is written by its octal digits.
  mutating func string(_ content: UnsafeRawBufferPointer, isText: Bool) {
    let keepsHigh = isText && content.isUTF8
    bytes.append(UInt8(ascii: "\""))
    for byte in content {
      switch byte {
      case UInt8(ascii: "\n"): append("\\n")
      case UInt8(ascii: "\r"): append("\\r")
      case UInt8(ascii: "\t"): append("\\t")
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "'"): append("\\'")
      case UInt8(ascii: "\\"): append("\\\\")
      case 0x20..<0x7f: bytes.append(byte)
      case 0x80... where keepsHigh: bytes.append(byte)
      default:
        bytes += [UInt8(ascii: "\\"), 0x30 + (byte >> 6), 0x30 + (byte >> 3 & 7), 0x30 + (byte & 7)]
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
