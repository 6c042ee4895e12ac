import CCares
import VoleryPlatform

/// Goes through all records of a DNS message (RFC 1035, 4) for what c-ares below 1.28 can't do: it reads no additional
/// section, where SRV targets' addresses come along, and it takes names that are longer than names may be, and addresses of
/// a wrong length for none at all. Names are read by c-ares.
struct DNSSections {
  private(set) var answerCount = 0
  /// The addresses in the additional section by their names, which are in lower case, without the last dot.
  private(set) var additional: [String: [String]] = [:]

  private let bytes: UnsafeRawBufferPointer
  private var index = 0

  /// Of a name as text (RFC 1035, 3.1: 255 bytes on the wire).
  private static let maxNameLength = 253

  init(_ bytes: UnsafeRawBufferPointer) throws(DNSMessage.Malformed) {
    self.bytes = bytes
    try skip(4)  // Identity and flags: c-ares has looked at them.
    let questionCount = try uint16()
    answerCount = try uint16()
    let authorityCount = try uint16()
    let additionalCount = try uint16()
    for _ in 0..<questionCount {
      _ = try name()
      try skip(4)
    }
    for _ in 0..<answerCount { _ = try record() }
    // What follows is a bonus: where it is damaged, the answer still counts.
    do throws(DNSMessage.Malformed) {
      for _ in 0..<authorityCount { _ = try record() }
      var found: [String: [String]] = [:]
      for _ in 0..<additionalCount {
        guard let address = try record() else { continue }
        found[address.name, default: []].append(address.text)
      }
      additional = found
    } catch {}
  }

  private struct Address {
    var name: String
    var text: String
  }

  /// - Returns: What the record says when it is an address.
  private mutating func record() throws(DNSMessage.Malformed) -> Address? {
    let name = try name()
    let type = DNSRecordType(rawValue: UInt16(try uint16()))
    let recordClass = try uint16()
    try skip(4)
    let length = try uint16()
    let start = index
    try skip(length)
    guard recordClass == 1 else { return nil }
    switch type {
    case .a?, .aaaa?:
      guard length == (type == .a ? 4 : 16) else { throw DNSMessage.Malformed() }
      let text = AddressLiteral.text(of: bytes.baseAddress! + start, family: type == .a ? AF_INET : AF_INET6)
      return text.map { Address(name: name, text: $0) }
    case .srv?:
      guard length > 6 else { throw DNSMessage.Malformed() }
      var target = self
      target.index = start + 6
      _ = try target.name()
      guard target.index <= index else { throw DNSMessage.Malformed() }
      return nil
    case .txt?, nil: return nil
    }
  }

  private mutating func skip(_ count: Int) throws(DNSMessage.Malformed) {
    guard count <= bytes.count - index else { throw DNSMessage.Malformed() }
    index += count
  }

  private mutating func uint16() throws(DNSMessage.Malformed) -> Int {
    try skip(2)
    return Int(bytes[index - 2]) << 8 | Int(bytes[index - 1])
  }

  private mutating func name() throws(DNSMessage.Malformed) -> String {
    guard index < bytes.count else { throw DNSMessage.Malformed() }
    let message = bytes.assumingMemoryBound(to: UInt8.self).baseAddress!
    var text: UnsafeMutablePointer<CChar>?
    var length = 0
    guard ares_expand_name(message + index, message, Int32(bytes.count), &text, &length) == ARES_SUCCESS, let text
    else {
      throw DNSMessage.Malformed()
    }
    defer { ares_free_string(text) }
    guard DNSSections.isShortEnough(text) else { throw DNSMessage.Malformed() }
    try skip(length)
    return String(cString: text).lowercased()
  }

  /// c-ares writes some bytes as `\c` or `\ddd`.
  private static func isShortEnough(_ text: UnsafePointer<CChar>) -> Bool {
    var byte = text
    for _ in 0...maxNameLength {
      guard byte.pointee != 0 else { return true }
      let isEscape = byte.pointee == UInt8(ascii: "\\")
      byte += isEscape ? isdigit(Int32(byte[1])) != 0 ? 4 : 2 : 1
    }
    return false
  }
}
