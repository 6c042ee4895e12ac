#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The record types that are asked for (RFC 1035, 3596, 2782).
package enum DNSRecordType: UInt16, Sendable {
  case a = 1
  case txt = 16
  case aaaa = 28
  case srv = 33
}

/// The records of a DNS answer that this module reads (RFC 1035, 4). A value; the bytes come from the network and are not
/// trusted: what is malformed is an error, what is of another type or class is passed over.
package struct DNSMessage: Equatable, Sendable {
  package struct Record: Equatable, Sendable {
    /// Lower case, without the last dot.
    package var name: String
    package var data: Data
  }

  package enum Data: Equatable, Sendable {
    /// An IPv4 or IPv6 literal.
    case address(String, DNSRecordType)
    case service(priority: UInt16, weight: UInt16, port: UInt16, target: String)
    /// The strings of one TXT record, joined (gRFC A2).
    case text(String)
  }

  package struct Malformed: Error, Equatable {}

  package private(set) var answers: [Record] = []
  package private(set) var additional: [Record] = []

  /// The most records that are read of a section; 64 KiB hold about 4,000 addresses.
  private static let maxRecords = 4096

  package init(parsing bytes: UnsafeRawBufferPointer) throws(Malformed) {
    var reader = DNSReader(bytes)
    try reader.skip(4)  // Identity and flags: the one who asked has looked at them.
    let questions = try reader.uint16()
    let answerCount = try reader.uint16()
    let authorityCount = try reader.uint16()
    let additionalCount = try reader.uint16()
    for _ in 0..<questions {
      try reader.skipName()
      try reader.skip(4)
    }
    answers = try DNSMessage.records(answerCount, &reader)
    // What follows is a bonus: where it is damaged, the answer still counts.
    guard (try? DNSMessage.records(authorityCount, &reader)) != nil else { return }
    additional = (try? DNSMessage.records(additionalCount, &reader)) ?? []
  }

  private static func records(_ count: UInt16, _ reader: inout DNSReader) throws(Malformed) -> [Record] {
    var records: [Record] = []
    for _ in 0..<count {
      let name = try reader.name()
      let type = try reader.uint16()
      let recordClass = try reader.uint16()
      try reader.skip(4)
      let length = Int(try reader.uint16())
      var data = try reader.slice(length)
      guard recordClass == 1, let type = DNSRecordType(rawValue: type), records.count < maxRecords else { continue }
      records.append(Record(name: name, data: try DNSMessage.data(type, length, &data)))
    }
    return records
  }

  private static func data(_ type: DNSRecordType, _ length: Int, _ reader: inout DNSReader) throws(Malformed) -> Data {
    switch type {
    case .a, .aaaa:
      guard length == (type == .a ? 4 : 16) else { throw Malformed() }
      return .address(try reader.address(length), type)
    case .srv:
      return .service(
        priority: try reader.uint16(), weight: try reader.uint16(), port: try reader.uint16(), target: try reader.name()
      )
    case .txt:
      var text: [UInt8] = []
      while reader.hasMore { text += try reader.bytes(Int(try reader.uint8())) }
      return .text(String(decoding: text, as: UTF8.self))
    }
  }
}

/// Reads a DNS message front to back; names may point back to earlier places (RFC 1035, 4.1.4).
private struct DNSReader {
  private let message: UnsafeRawBufferPointer
  private var index: Int
  private let end: Int

  init(_ message: UnsafeRawBufferPointer) {
    self.message = message
    index = 0
    end = message.count
  }

  private init(_ message: UnsafeRawBufferPointer, from index: Int, to end: Int) {
    self.message = message
    self.index = index
    self.end = end
  }

  var hasMore: Bool { index < end }

  mutating func skip(_ count: Int) throws(DNSMessage.Malformed) {
    guard count <= end - index else { throw DNSMessage.Malformed() }
    index += count
  }

  mutating func uint8() throws(DNSMessage.Malformed) -> UInt8 {
    try skip(1)
    return message[index - 1]
  }

  mutating func uint16() throws(DNSMessage.Malformed) -> UInt16 {
    try skip(2)
    return UInt16(message[index - 2]) << 8 | UInt16(message[index - 1])
  }

  mutating func bytes(_ count: Int) throws(DNSMessage.Malformed) -> [UInt8] {
    try skip(count)
    return Array(message[(index - count)..<index])
  }

  /// The next bytes as a reader of their own that can still follow names to the whole message.
  mutating func slice(_ count: Int) throws(DNSMessage.Malformed) -> DNSReader {
    try skip(count)
    return DNSReader(message, from: index - count, to: index)
  }

  mutating func address(_ count: Int) throws(DNSMessage.Malformed) -> String {
    let bytes = try bytes(count)
    guard let text = AddressText.of(bytes, family: count == 4 ? AF_INET : AF_INET6) else {
      throw DNSMessage.Malformed()
    }
    return text
  }

  mutating func skipName() throws(DNSMessage.Malformed) { _ = try name() }

  mutating func name() throws(DNSMessage.Malformed) -> String {
    var labels: [UInt8] = []
    var place = index
    var limit = end
    var hasJumped = false
    while true {
      guard place < limit else { throw DNSMessage.Malformed() }
      let length = Int(message[place])
      if length == 0 {
        if !hasJumped { index = place + 1 }
        break
      }
      if length & 0xc0 == 0xc0 {
        guard place + 1 < limit else { throw DNSMessage.Malformed() }
        let target = (length & 0x3f) << 8 | Int(message[place + 1])
        if !hasJumped { index = place + 2 }
        // Backwards only: no name can go round in circles.
        guard target < place else { throw DNSMessage.Malformed() }
        hasJumped = true
        limit = place
        place = target
        continue
      }
      guard length < 64, place + 1 + length <= limit, labels.count + length < 255 else { throw DNSMessage.Malformed() }
      if !labels.isEmpty { labels.append(UInt8(ascii: ".")) }
      labels += message[(place + 1)..<(place + 1 + length)]
      place += 1 + length
    }
    return String(decoding: labels, as: UTF8.self).lowercased()
  }
}

extension DNSRecordType: CustomStringConvertible {
  package var description: String {
    switch self {
    case .a: "A"
    case .aaaa: "AAAA"
    case .srv: "SRV"
    case .txt: "TXT"
    }
  }
}
