import VoleryTypes

/// A number or a word of text format.
struct TextFormatLiteral {
  private let text: String
  private let isNegative: Bool

  init(_ text: String, isNegative: Bool) {
    self.text = text
    self.isNegative = isNegative
  }

  /// The value as it goes on the wire; nil when it is none of the field's type.
  func bits(_ field: FieldSchema) -> UInt64? {
    switch field.kind {
    case .bool: bool
    case .enum: enumeration(field.enumeration)
    case .double: double.map(\.bitPattern)
    case .float: float.map { UInt64($0.bitPattern) }
    case .uint32, .fixed32: unsigned(max: UInt64(UInt32.max))
    case .uint64, .fixed64: unsigned(max: .max)
    case .int32, .sfixed32: signed(min: Int64(Int32.min), max: Int64(Int32.max)).map { UInt64(bitPattern: $0) }
    case .int64, .sfixed64: signed(min: .min, max: .max).map { UInt64(bitPattern: $0) }
    case .sint32: signed(min: Int64(Int32.min), max: Int64(Int32.max)).map(TextFormatLiteral.zigzag)
    case .sint64: signed(min: .min, max: .max).map(TextFormatLiteral.zigzag)
    case .string, .bytes, .message, .group: nil
    }
  }

  private static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value << 1 ^ value >> 63) }

  private var bool: UInt64? {
    guard !isNegative else { return nil }
    switch text {
    case "true", "True", "t": return 1
    case "false", "False", "f": return 0
    default: return unsigned(max: 1)
    }
  }

  private func enumeration(_ schema: EnumSchema) -> UInt64? {
    if !isNegative, let number = schema.number(named: text) { return UInt64(bitPattern: Int64(number)) }
    guard let number = signed(min: Int64(Int32.min), max: Int64(Int32.max)) else { return nil }
    guard !schema.isClosed || schema.name(of: Int32(number)) != nil else { return nil }
    return UInt64(bitPattern: number)
  }

  // MARK: Integers

  /// Decimal, `0x` and hexadecimal, or `0` and octal.
  private var magnitude: UInt64? {
    guard let first = text.utf8.first, first &- 0x30 < 10 else { return nil }
    if text.hasPrefix("0x") || text.hasPrefix("0X") {
      // The radix initializer would take a sign.
      let digits = text.dropFirst(2)
      return digits.utf8.allSatisfy { $0.hexadecimalDigit != nil } ? UInt64(digits, radix: 16) : nil
    }
    guard text.utf8.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
    return text.utf8.count > 1 && first == UInt8(ascii: "0") ? UInt64(text, radix: 8) : UInt64(text)
  }

  private func unsigned(max: UInt64) -> UInt64? {
    guard let magnitude, magnitude <= max, !isNegative else { return nil }
    return magnitude
  }

  private func signed(min: Int64, max: Int64) -> Int64? {
    guard let magnitude else { return nil }
    guard isNegative else { return magnitude <= UInt64(max) ? Int64(magnitude) : nil }
    return magnitude <= min.magnitude ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil
  }

  // MARK: Fractions

  private var double: Double? {
    if let special { return special }
    guard let decimal, let value = Double(decimal) else { return nil }
    return isNegative ? -value : value
  }

  private var float: Float? {
    if let special { return Float(special) }
    guard let decimal, let value = Float(decimal) else { return nil }
    return isNegative ? -value : value
  }

  private var special: Double? {
    switch text.lowercased() {
    case "inf", "infinity": isNegative ? -.infinity : .infinity
    case "nan": .nan
    default: nil
    }
  }

  /// The digits of a decimal number, without the `f` that may follow; nil for anything else.
  private var decimal: String? {
    var digits = Substring(text)
    if digits.last == "f" || digits.last == "F" { digits.removeLast() }
    var rest = digits.utf8[...]
    let whole = TextFormatLiteral.skipDigits(&rest)
    // An octal or hexadecimal number is no fraction.
    if whole > 1, rest.isEmpty, digits.utf8.first == UInt8(ascii: "0") { return nil }
    var fraction = 0
    if rest.first == UInt8(ascii: ".") {
      rest.removeFirst()
      fraction = TextFormatLiteral.skipDigits(&rest)
    }
    guard whole + fraction > 0 else { return nil }
    if let letter = rest.first, letter | 0x20 == UInt8(ascii: "e") {
      rest.removeFirst()
      if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest.removeFirst() }
      guard TextFormatLiteral.skipDigits(&rest) > 0 else { return nil }
    }
    return rest.isEmpty ? String(digits) : nil
  }

  private static func skipDigits(_ text: inout Substring.UTF8View) -> Int {
    let count = text.prefix { $0 &- 0x30 < 10 }.count
    text.removeFirst(count)
    return count
  }
}
