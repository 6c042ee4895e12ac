import VoleryPrimitives

/// A cookie that says which server a session's calls want (gRFC A55): its value is the server's address in base64. Metadata has it as
/// browsers send it, in `cookie`, beside others.
package struct SessionCookie: Hashable, Sendable {
  package let name: String

  /// - Returns: Nil for what is no cookie's name: empty, over 128 bytes, or with other characters than letters, digits and
  ///   ``!#$%&'*+-.^_`|~`` (RFC 6265).
  package init?(name: String) {
    let isFit = { (byte: UInt8) in
      byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
    guard (1...128).contains(name.utf8.count), name.utf8.allSatisfy(isFit) else { return nil }
    self.name = name
  }

  /// The cookie's value for a server.
  package static func value(for server: SocketAddress) -> String { encoded("\(server)") }

  /// A text as a cookie's value.
  package static func encoded(_ text: String) -> String {
    var text = text
    return text.withUTF8 { bytes in
      var encoded: [UInt8] = []
      Base64.append(UnsafeRawBufferPointer(bytes), to: &encoded, isPadded: true)
      return String(decoding: encoded, as: UTF8.self)
    }
  }

  /// Nil for a value that is none, or is longer than any that makes sense.
  package static func decoded(_ value: String) -> String? {
    guard value.utf8.count <= maxValueBytes else { return nil }
    var value = value
    let bytes = value.withUTF8 { Base64.decode(UnsafeRawBufferPointer($0)) }
    return bytes.flatMap { String(validating: $0, as: UTF8.self) }
  }

  private static let maxValueBytes = 4096

  /// What a call says; nil where it has no such cookie. The first of several.
  package func value(in metadata: Metadata) -> String? {
    guard !metadata.isEmpty else { return nil }
    for header in metadata.values("cookie") {
      for pair in header.split(separator: ";") {
        let parts = pair.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, SessionCookie.trimmed(parts[0]) == name else { continue }
        let value = SessionCookie.trimmed(parts[1])
        return String(
          value.count > 1 && value.first == "\"" && value.last == "\"" ? value.dropFirst().dropLast() : value)
      }
    }
    return nil
  }

  /// What an answer sets it to, by `set-cookie`; nil where it does not.
  package func value(setIn metadata: Metadata) -> String? {
    guard !metadata.isEmpty else { return nil }
    for header in metadata.values("set-cookie") {
      let parts = header.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1)
      if parts.count == 2, SessionCookie.trimmed(parts[0]) == name { return String(SessionCookie.trimmed(parts[1])) }
    }
    return nil
  }

  /// Whether a value says this server, be it beside other addresses of it, or its cluster.
  package static func isValue(_ value: String, of server: SocketAddress) -> Bool {
    guard let text = decoded(value) else { return false }
    return text.prefix { $0 != ";" }.split(separator: ",").contains { $0 == "\(server)" }
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop { $0 == " " || $0 == "\t" }
    while text.last == " " || text.last == "\t" { text.removeLast() }
    return text
  }
}
