import VoleryPrimitives
import VoleryTypes

extension JSONReader {
  /// Writes the next value without a tag; false where it is an enum value by an unknown name that is to be ignored, or a
  /// default that needs no writing.
  mutating func scalar(_ field: FieldSchema) throws(JSONError) -> Bool {
    let start = out.count
    switch field.kind {
    case .bool:
      if scanner.skip(word: "true") {
        out.varint(1)
      } else if scanner.skip(word: "false") {
        out.varint(0)
      } else {
        throw error(field, "true or false is expected")
      }
    case .string: out.content(try text(field).utf8)
    case .bytes:
      var text = try text(field)
      guard let bytes = text.withUTF8({ Base64.decode(UnsafeRawBufferPointer($0)) }) else {
        throw error(field, "the text is not base64")
      }
      out.content(bytes)
    case .enum: return try enumeration(field)
    case .float, .double: try decimal(field)
    default: try integer(field)
    }
    return start < out.count
  }

  private mutating func text(_ field: FieldSchema) throws(JSONError) -> String {
    guard scanner.peek() == UInt8(ascii: "\"") else { throw error(field, "a string is expected") }
    return try scanner.string()
  }

  // MARK: Numbers

  private mutating func integer(_ field: FieldSchema) throws(JSONError) {
    let isWritten: Bool
    if scanner.peek() == UInt8(ascii: "\"") {
      var text = try scanner.string()
      isWritten = text.withUTF8 { JSONNumber.isWhole($0) && integer(field, $0) }
    } else {
      isWritten = integer(field, try scanner.number())
    }
    guard isWritten else { throw error(field, "an integer of the field's type is expected") }
  }

  /// Writes a number; false when it is no integer of the field's type.
  mutating func integer(_ field: FieldSchema, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let number = JSONNumber.integer(text) else { return false }
    let signed: ClosedRange<Int64>
    switch field.kind {
    case .uint32, .fixed32, .uint64, .fixed64:
      let is32Bit = field.kind == .uint32 || field.kind == .fixed32
      guard let value = number.asUnsigned(max: is32Bit ? UInt64(UInt32.max) : .max) else { return false }
      write(UInt64(value), field.kind)
      return true
    case .int32, .sint32, .sfixed32, .enum: signed = Int64(Int32.min)...Int64(Int32.max)
    default: signed = .min ... .max
    }
    guard let value = number.asSigned(signed) else { return false }
    write(UInt64(bitPattern: value), field.kind)
    return true
  }

  private mutating func write(_ value: UInt64, _ kind: FieldSchema.Kind) {
    switch kind {
    case .fixed32, .sfixed32: out.fixed32(UInt32(truncatingIfNeeded: value))
    case .fixed64, .sfixed64: out.fixed64(value)
    case .sint32, .sint64:
      let number = Int64(bitPattern: value)
      out.varint(UInt64(bitPattern: number << 1 ^ number >> 63))
    default: out.varint(value)
    }
  }

  private mutating func decimal(_ field: FieldSchema) throws(JSONError) {
    let isFloat = field.kind == .float
    let isWritten: Bool
    if scanner.peek() == UInt8(ascii: "\"") {
      var text = try scanner.string()
      if let special = JSONReader.specials[text] {
        isFloat ? out.fixed32(Float(special).bitPattern) : out.fixed64(special.bitPattern)
        return
      }
      isWritten = text.withUTF8 { JSONNumber.isWhole($0) && decimal(field, $0) }
    } else {
      isWritten = decimal(field, try scanner.number())
    }
    guard isWritten else { throw error(field, "a number is expected that the field's type can hold") }
  }

  private static let specials: [String: Double] = ["NaN": .nan, "Infinity": .infinity, "-Infinity": -.infinity]

  private mutating func decimal(_ field: FieldSchema, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    if field.kind == .float {
      guard let value = JSONNumber.float(text) else { return false }
      out.fixed32(value.bitPattern)
    } else {
      guard let value = JSONNumber.double(text) else { return false }
      out.fixed64(value.bitPattern)
    }
    return true
  }

  // MARK: Enums

  private mutating func enumeration(_ field: FieldSchema) throws(JSONError) -> Bool {
    if field.takesNull, scanner.skip(word: "null") {
      out.varint(0)
      return true
    }
    if scanner.peek() == UInt8(ascii: "\"") {
      let name = try scanner.string()
      if let number = field.enumeration.number(named: name) {
        out.varint(UInt64(bitPattern: Int64(number)))
        return true
      }
      guard options.ignoresUnknownFields else {
        throw error(field, "\(field.enumeration.fullName) has no value \"\(name)\"")
      }
      return false
    }
    let text = try scanner.number()
    guard let number = JSONNumber.integer(text)?.asSigned(Int64(Int32.min)...Int64(Int32.max)) else {
      throw error(field, "an enum value is expected")
    }
    guard !field.enumeration.isClosed || field.enumeration.name(of: Int32(number)) != nil else {
      guard options.ignoresUnknownFields else {
        throw error(field, "\(field.enumeration.fullName) has no value \(number)")
      }
      return false
    }
    out.varint(UInt64(bitPattern: number))
    return true
  }
}
