extension UInt8 {
  /// What this letter of ASCII means as a hexadecimal digit, of either case; nil for any other. By hand: the standard library's
  /// reading of numbers takes a sign, and other digits than ASCII's.
  @inlinable package var hexadecimalDigit: UInt8? {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

extension [UInt8] {
  /// Adds a byte as URIs write one that may not stand there itself (RFC 3986, 2.1): `%2F`.
  package mutating func append(percentEncoded byte: UInt8) {
    func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10 }
    self += [UInt8(ascii: "%"), digit(byte >> 4), digit(byte & 15)]
  }
}
