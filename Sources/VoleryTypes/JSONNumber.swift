/// Numbers as JSON writes them.
package enum JSONNumber {
  /// How many bytes at the front are a number (RFC 8259, section 6); nil for none, or one that stops in the middle.
  package static func length(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
    var index = 0
    func digits() -> Int {
      let start = index
      while index < text.count, text[index] &- 0x30 < 10 { index += 1 }
      return index - start
    }
    if index < text.count, text[index] == UInt8(ascii: "-") { index += 1 }
    let start = index
    let whole = digits()
    guard whole == 1 || whole > 1 && text[start] != UInt8(ascii: "0") else { return nil }
    if index < text.count, text[index] == UInt8(ascii: ".") {
      index += 1
      guard digits() > 0 else { return nil }
    }
    if index < text.count, text[index] | 0x20 == UInt8(ascii: "e") {
      index += 1
      if index < text.count, text[index] == UInt8(ascii: "+") || text[index] == UInt8(ascii: "-") { index += 1 }
      guard digits() > 0 else { return nil }
    }
    return index
  }

  /// Whether the text is a number and nothing else.
  package static func isWhole(_ text: UnsafeBufferPointer<UInt8>) -> Bool { !text.isEmpty && length(text) == text.count }

  /// An integer in any form that JSON has for it: `1000`, `1e3`, `1000.0`; nil for others and beyond 64 bits.
  ///
  /// - Parameter text: A number.
  package static func integer(_ text: UnsafeBufferPointer<UInt8>) -> Integer? {
    var index = 0
    let isNegative = text.first == UInt8(ascii: "-")
    if isNegative { index = 1 }
    let mantissaStart = index
    while index < text.count, text[index] | 0x20 != UInt8(ascii: "e") { index += 1 }
    let mantissa = UnsafeBufferPointer(rebasing: text[mantissaStart..<index])
    var scale = exponent(text[min(index + 1, text.count)...])
    if let point = mantissa.firstIndex(of: UInt8(ascii: ".")) { scale -= mantissa.count - point - 1 }
    // Zeros at the end are powers of ten.
    var digitsEnd = mantissa.count
    while digitsEnd > 0, mantissa[digitsEnd - 1] == UInt8(ascii: "0") || mantissa[digitsEnd - 1] == UInt8(ascii: ".") {
      if mantissa[digitsEnd - 1] == UInt8(ascii: "0") { scale += 1 }
      digitsEnd -= 1
    }
    var magnitude: UInt64 = 0
    for digit in mantissa[..<digitsEnd] where digit != UInt8(ascii: ".") {
      guard let next = times10(magnitude, plus: UInt64(digit - 0x30)) else { return nil }
      magnitude = next
    }
    guard magnitude > 0 else { return Integer(isNegative: false, magnitude: 0) }
    guard scale >= 0 else { return nil }
    for _ in 0..<min(scale, 20) {
      guard let next = times10(magnitude, plus: 0) else { return nil }
      magnitude = next
    }
    return Integer(isNegative: isNegative, magnitude: magnitude)
  }

  package struct Integer {
    let isNegative: Bool
    let magnitude: UInt64

    package func asSigned(_ range: ClosedRange<Int64>) -> Int64? {
      let value: Int64? =
        isNegative
        ? magnitude <= UInt64(Int64.max) + 1 ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil
        : Int64(exactly: magnitude)
      return value.flatMap { range.contains($0) ? $0 : nil }
    }

    package func asUnsigned(max: UInt64) -> UInt64? { isNegative || magnitude > max ? nil : magnitude }
  }

  private static func times10(_ value: UInt64, plus digit: UInt64) -> UInt64? {
    let (product, overflow) = value.multipliedReportingOverflow(by: 10)
    let (sum, carry) = product.addingReportingOverflow(digit)
    return overflow || carry ? nil : sum
  }

  /// Limited either way to what no text is long enough to make up for.
  private static func exponent(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
    var value = 0
    for byte in text where byte &- 0x30 < 10 { value = min(value * 10 + Int(byte - 0x30), 1 << 40) }
    return text.first == UInt8(ascii: "-") ? -value : value
  }

  /// Nil when the number is too large.
  package static func double(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
    guard let value = Double(String(decoding: text, as: UTF8.self)), value.isFinite else { return nil }
    return value
  }

  package static func float(_ text: UnsafeBufferPointer<UInt8>) -> Float? {
    guard let value = Float(String(decoding: text, as: UTF8.self)), value.isFinite else { return nil }
    return value
  }
}
