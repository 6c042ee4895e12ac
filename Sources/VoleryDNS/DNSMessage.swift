import CCares
import VoleryPlatform

/// What a DNS answer says of the type that was asked for, read by c-ares, and the addresses that came along. A value; the
/// bytes come from the network and are not trusted: what is malformed is an error, what is of another type or class is
/// passed over.
///
/// By the functions that every c-ares in use has: Debian 12 and Ubuntu 22.04 come with 1.18, and the record API, which
/// would give the additional section too, is of 1.28.
package struct DNSMessage: Equatable, Sendable {
  package enum Record: Equatable, Sendable {
    /// An IPv4 or IPv6 literal.
    case address(String)
    /// The target in lower case, without the last dot.
    case service(priority: UInt16, weight: UInt16, port: UInt16, target: String)
    /// The strings of one TXT record, joined (gRFC A2).
    case text(String)
  }

  package struct Malformed: Error, Equatable {}

  /// Empty where there is no record of the type.
  package let answers: [Record]
  /// The addresses in the additional section by their names, which are in lower case, without the last dot.
  package let additional: [String: [String]]

  /// The most addresses that are read; 64 KiB hold about 4,000.
  private static let maxAddresses = 4096

  /// - Parameter type: What was asked for.
  package init(parsing bytes: UnsafeRawBufferPointer, for type: DNSRecordType) throws(Malformed) {
    // First: c-ares 1.18 itself has no limit for the length of names, so a few bytes could become megabytes.
    let sections = try DNSSections(bytes)
    additional = sections.additional
    let message = bytes.assumingMemoryBound(to: UInt8.self)
    answers =
      switch type {
      case .a: try DNSMessage.ipv4(message, sections.answerCount)
      case .aaaa: try DNSMessage.ipv6(message, sections.answerCount)
      case .srv: try DNSMessage.services(message)
      case .txt: try DNSMessage.texts(message)
      }
  }

  /// - Returns: Whether there are records to read.
  private static func isFound(_ status: Int32) throws(Malformed) -> Bool {
    switch status {
    case ARES_SUCCESS: return true
    case ARES_ENODATA: return false
    default: throw Malformed()
    }
  }

  private static func ipv4(_ message: UnsafeBufferPointer<UInt8>, _ limit: Int) throws(Malformed) -> [Record] {
    var found = [ares_addrttl](repeating: ares_addrttl(), count: min(limit, maxAddresses))
    var count = Int32(found.count)
    let status = ares_parse_a_reply(message.baseAddress, Int32(message.count), nil, &found, &count)
    guard try isFound(status) else { return [] }
    return found.prefix(Int(count)).compactMap { entry in
      withUnsafeBytes(of: entry.ipaddr) { AddressLiteral.text(of: $0.baseAddress!, family: AF_INET) }.map {
        .address($0)
      }
    }
  }

  private static func ipv6(_ message: UnsafeBufferPointer<UInt8>, _ limit: Int) throws(Malformed) -> [Record] {
    var found = [ares_addr6ttl](repeating: ares_addr6ttl(), count: min(limit, maxAddresses))
    var count = Int32(found.count)
    let status = ares_parse_aaaa_reply(message.baseAddress, Int32(message.count), nil, &found, &count)
    guard try isFound(status) else { return [] }
    return found.prefix(Int(count)).compactMap { entry in
      withUnsafeBytes(of: entry.ip6addr) { AddressLiteral.text(of: $0.baseAddress!, family: AF_INET6) }.map {
        .address($0)
      }
    }
  }

  private static func services(_ message: UnsafeBufferPointer<UInt8>) throws(Malformed) -> [Record] {
    var list: UnsafeMutablePointer<ares_srv_reply>?
    guard try isFound(ares_parse_srv_reply(message.baseAddress, Int32(message.count), &list)) else { return [] }
    defer { ares_free_data(list) }
    var records: [Record] = []
    var entry = list
    while let service = entry?.pointee {
      records.append(
        .service(
          priority: service.priority, weight: service.weight, port: service.port,
          target: String(cString: service.host).lowercased()))
      entry = service.next
    }
    return records
  }

  private static func texts(_ message: UnsafeBufferPointer<UInt8>) throws(Malformed) -> [Record] {
    var list: UnsafeMutablePointer<ares_txt_ext>?
    guard try isFound(ares_parse_txt_reply_ext(message.baseAddress, Int32(message.count), &list)) else { return [] }
    defer { ares_free_data(list) }
    var texts: [[UInt8]] = []
    var entry = list
    while let string = entry?.pointee {
      if string.record_start != 0 || texts.isEmpty { texts.append([]) }
      texts[texts.count - 1] += UnsafeBufferPointer(start: string.txt, count: string.length)
      entry = string.next
    }
    return texts.map { .text(String(decoding: $0, as: UTF8.self)) }
  }
}

/// The record types that are asked for (RFC 1035, 3596, 2782).
package enum DNSRecordType: UInt16, Sendable {
  case a = 1
  case txt = 16
  case aaaa = 28
  case srv = 33
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
