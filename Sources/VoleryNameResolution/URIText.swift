import VoleryTypes

/// The parts of a URI as texts (RFC 3986).
package enum URIText {
  /// A text that no percent-encoding makes: what is wrong with it.
  package struct Malformed: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
  }

  /// Takes the percent-encoding off (2.1). Within brackets, where only an IPv6 address can be, a `%` that begins no such
  /// byte is itself: everybody writes zones so (RFC 6874, 3).
  package static func decode(_ text: some StringProtocol) throws(Malformed) -> String {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
    let bytes = Array(text.utf8)
    var out: [UInt8] = []
    var index = 0
    var isInBrackets = false
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "[") { isInBrackets = true }
      if byte == UInt8(ascii: "]") { isInBrackets = false }
      index += 1
      guard byte == UInt8(ascii: "%") else {
        out.append(byte)
        continue
      }
      if index + 2 <= bytes.count, let high = bytes[index].hexadecimalDigit,
        let low = bytes[index + 1].hexadecimalDigit
      {
        out.append(high << 4 | low)
        index += 2
      } else if isInBrackets {
        out.append(byte)
      } else {
        let found = String(decoding: bytes[(index - 1)..<min(index + 2, bytes.count)], as: UTF8.self)
        throw Malformed(
          description: "\"\(found)\" is no percent-encoded byte (RFC 3986, 2.1); for the character itself write %25")
      }
    }
    guard let decoded = String(validating: out, as: UTF8.self) else {
      throw Malformed(description: "its percent-encoded bytes are not UTF-8")
    }
    return decoded
  }

  private static let unreserved = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)

  /// Puts percent-encoding on whatever is neither unreserved (2.3) nor one of `kept`.
  package static func encode(_ text: some StringProtocol, keeping kept: String) -> String {
    let kept = Set(kept.utf8)
    guard !text.utf8.allSatisfy({ unreserved.contains($0) || kept.contains($0) }) else { return String(text) }
    var out: [UInt8] = []
    for byte in text.utf8 {
      if unreserved.contains(byte) || kept.contains(byte) {
        out.append(byte)
      } else {
        out.append(percentEncoded: byte)
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// An `:authority` (3.2) of a host, or of what stands in for one: without an address's zone, which means nothing to others
  /// (RFC 6874, 4), and with what may not stand there percent-encoded.
  package static func authority(_ text: String) -> String {
    var text = text
    if text.hasPrefix("["), let zone = text.firstIndex(of: "%"), let end = text.firstIndex(of: "]"), zone < end {
      text.removeSubrange(zone..<end)
    }
    return encode(text, keeping: "!$&'()*+,;=:[]@")
  }
}
