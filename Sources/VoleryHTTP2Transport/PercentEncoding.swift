/// `grpc-message`: UTF-8 with everything but printable ASCII, and '%', percent-encoded (doc/PROTOCOL-HTTP2.md). A space at an
/// end too: HTTP/2 allows none there (RFC 9113, 8.2.1).
enum PercentEncoding {
  static func encode(_ text: String) -> [UInt8] {
    var out: [UInt8] = []
    let hex = Array("0123456789ABCDEF".utf8)
    let lastIndex = text.utf8.count - 1
    for (index, byte) in text.utf8.enumerated() {
      let isEnd = index == 0 || index == lastIndex
      if byte > 0x20 || (byte == 0x20 && !isEnd), byte <= 0x7e, byte != UInt8(ascii: "%") {
        out.append(byte)
      } else {
        out += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
      }
    }
    return out
  }

  /// Never fails: what is no valid escape stays as it is, invalid UTF-8 is repaired.
  static func decode(_ bytes: UnsafeRawBufferPointer) -> String {
    guard bytes.contains(UInt8(ascii: "%")) else { return String(decoding: bytes, as: UTF8.self) }
    var out: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let high = nibble(bytes[index + 1]),
        let low = nibble(bytes[index + 2])
      {
        out.append(high << 4 | low)
        index += 3
      } else {
        out.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  private static func nibble(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
