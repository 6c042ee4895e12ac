import VoleryTypes

/// `grpc-message`: UTF-8 with everything but printable ASCII, and '%', percent-encoded (doc/PROTOCOL-HTTP2.md). A space at an
/// end too: HTTP/2 allows none there (RFC 9113, 8.2.1).
package enum PercentEncoding {
  package static func encode(_ text: String) -> [UInt8] {
    var out: [UInt8] = []
    let lastIndex = text.utf8.count - 1
    for (index, byte) in text.utf8.enumerated() {
      let isEnd = index == 0 || index == lastIndex
      if byte > 0x20 || (byte == 0x20 && !isEnd), byte <= 0x7e, byte != UInt8(ascii: "%") {
        out.append(byte)
      } else {
        out.append(percentEncoded: byte)
      }
    }
    return out
  }

  /// The beginning of a text, with a mark at its end, in at most so many bytes; empty where there is no room for it.
  package static func encode(_ text: String, cutTo limit: Int) -> [UInt8] {
    let mark = "... (cut)"
    var room = limit - mark.utf8.count
    guard room > 0 else { return [] }
    var kept = text.unicodeScalars.startIndex
    for index in text.unicodeScalars.indices {
      // Three bytes for each that is not sent as it is; a space may come to stand first.
      let bytes = String(text.unicodeScalars[index]).utf8
      let size = bytes.reduce(0) { $0 + ($1 > 0x20 && $1 <= 0x7e && $1 != UInt8(ascii: "%") ? 1 : 3) }
      guard size <= room else { break }
      room -= size
      kept = text.unicodeScalars.index(after: index)
    }
    return encode(String(text.unicodeScalars[..<kept]) + mark)
  }

  /// Never fails: what is no valid escape stays as it is, invalid UTF-8 is repaired.
  package static func decode(_ bytes: UnsafeRawBufferPointer) -> String {
    guard bytes.contains(UInt8(ascii: "%")) else { return String(decoding: bytes, as: UTF8.self) }
    var out: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let high = bytes[index + 1].hexadecimalDigit,
        let low = bytes[index + 2].hexadecimalDigit
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
}
