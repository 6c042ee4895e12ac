import VoleryPrimitives

/// JSON text that grows: the scalars in their canonical forms (protobuf.dev, ProtoJSON Format).
struct JSONText {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ text: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// A string that needs no escapes.
  mutating func quoted(_ text: String) {
    append("\"")
    append(text)
    append("\"")
  }

  mutating func scalar(_ value: WireScalar, _ field: FieldSchema, enumsAsNumbers: Bool) throws(ProtobufError) {
    switch value {
    case .enumeration(let number): enumeration(number, field.enumeration, asNumber: enumsAsNumbers)
    default: try scalar(value, field.kind)
    }
  }

  /// A value that is no enum's.
  mutating func scalar(_ value: WireScalar, _ kind: FieldSchema.Kind) throws(ProtobufError) {
    switch value {
    case .signed(let number): is64Bit(kind) ? quoted(String(number)) : append(String(number))
    case .unsigned(let number): is64Bit(kind) ? quoted(String(number)) : append(String(number))
    case .float(let number): number.isFinite ? decimal(number.description) : notFinite(Double(number))
    case .double(let number): number.isFinite ? decimal(number.description) : notFinite(number)
    case .bool(let isTrue): isTrue ? append("true") : append("false")
    case .enumeration(let number): append(String(number))
    case .string(let text): try string(text)
    case .bytes(let content): base64(content)
    }
  }

  private func is64Bit(_ kind: FieldSchema.Kind) -> Bool {
    switch kind {
    case .int64, .uint64, .sint64, .fixed64, .sfixed64: true
    default: false
    }
  }

  private mutating func enumeration(_ number: Int32, _ schema: EnumSchema, asNumber: Bool) {
    if schema.fullName == WellKnownMessage.nullValueName, number == 0 {
      append("null")
    } else if !asNumber, let name = schema.name(of: number) {
      quoted(name)
    } else {
      append(String(number))
    }
  }

  private mutating func notFinite(_ number: Double) {
    number.isNaN ? append("\"NaN\"") : number < 0 ? append("\"-Infinity\"") : append("\"Infinity\"")
  }

  /// The shortest text that reads back the same, without `.0`.
  mutating func decimal(_ text: String) {
    append(text)
    if bytes.suffix(2).elementsEqual(".0".utf8) { bytes.removeLast(2) }
  }

  // MARK: Strings

  mutating func string(_ text: String) {
    var text = text
    text.withUTF8 { escape(UnsafeRawBufferPointer($0)) }
  }

  /// - Throws: when the text is not UTF-8, as in bytes of others.
  mutating func string(_ text: UnsafeRawBufferPointer) throws(ProtobufError) {
    guard text.isUTF8 else { throw .invalidUTF8 }
    escape(text)
  }

  private mutating func escape(_ text: UnsafeRawBufferPointer) {
    append("\"")
    var start = 0
    for index in text.indices {
      let byte = text[index]
      guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7f else { continue }
      bytes.append(contentsOf: text[start..<index])
      start = index + 1
      switch byte {
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\\"): append("\\\\")
      case 0x08: append("\\b")
      case 0x09: append("\\t")
      case 0x0a: append("\\n")
      case 0x0c: append("\\f")
      case 0x0d: append("\\r")
      default:
        append("\\u00")
        bytes.append(JSONText.hexadecimal[Int(byte >> 4)])
        bytes.append(JSONText.hexadecimal[Int(byte & 15)])
      }
    }
    bytes.append(contentsOf: text[start...])
    append("\"")
  }

  private static let hexadecimal = Array("0123456789abcdef".utf8)

  private mutating func base64(_ content: UnsafeRawBufferPointer) {
    append("\"")
    Base64.append(content, to: &bytes, isPadded: true)
    append("\"")
  }
}

extension UnsafeRawBufferPointer {
  var isUTF8: Bool {
    // Most texts are ASCII.
    allSatisfy { $0 < 0x80 } || String(validating: self, as: UTF8.self) != nil
  }
}
