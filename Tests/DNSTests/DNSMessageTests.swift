import TestSupport
import Testing
import VoleryDNS

@Suite("DNS messages") struct DNSMessageTests {
  /// Builds messages.
  private struct Builder {
    var bytes: [UInt8] = []
    mutating func number(_ value: Int) { bytes += [UInt8(value >> 8 & 0xff), UInt8(value & 0xff)] }
    mutating func name(_ text: String) {
      for label in text.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
      bytes.append(0)
    }
    mutating func header(_ counts: [Int]) {
      number(7)
      number(0x8180)
      for count in counts { number(count) }
    }
    mutating func record(_ name: (inout Builder) -> Void, _ type: Int, _ data: [UInt8], recordClass: Int = 1) {
      name(&self)
      number(type)
      number(recordClass)
      number(0)
      number(5)
      number(data.count)
      bytes += data
    }
  }

  private func parse(_ bytes: [UInt8], _ type: DNSRecordType) throws -> DNSMessage {
    try bytes.withUnsafeBytes { bytes throws(DNSMessage.Malformed) in try DNSMessage(parsing: bytes, for: type) }
  }

  /// A message that asks for `x.test`, which stands at 12, and has these many answers.
  private func question(_ type: Int, answers: Int = 1) -> Builder {
    var builder = Builder()
    builder.header([1, answers, 0, 0])
    builder.name("x.test")
    builder.number(type)
    builder.number(1)
    return builder
  }

  /// SRV for one target whose name is compressed, with an address in the additional section.
  private var service: [UInt8] {
    var builder = Builder()
    builder.header([1, 2, 0, 2])
    builder.name("_grpc._tcp.Pods.test")  // At 12; "Pods.test" at 23.
    builder.number(33)
    builder.number(1)
    builder.record({ $0.bytes += [0xc0, 12] }, 33, [0, 1, 0, 2, 0xc3, 0x83] + [3] + Array("one".utf8) + [0xc0, 23])
    builder.record({ $0.bytes += [0xc0, 12] }, 16, [4] + Array("oops".utf8), recordClass: 3)
    builder.record({ $0.name("one.pods.test") }, 1, [10, 0, 0, 1])
    builder.record({ $0.name("one.pods.test") }, 28, [0xfd] + Array(repeating: 0, count: 14) + [1])
    return builder.bytes
  }

  @Test("services and the addresses that come along") func services() throws {
    let message = try parse(service, .srv)
    #expect(message.answers == [.service(priority: 1, weight: 2, port: 50051, target: "one.pods.test")])
    #expect(message.additional == ["one.pods.test": ["10.0.0.1", "fd00::1"]])
  }

  @Test("the strings of a TXT record are one text, those of two are two") func text() throws {
    var builder = question(16, answers: 2)
    builder.record({ $0.name("x.test") }, 16, [5] + Array("grpc_".utf8) + [0] + [7] + Array("config=".utf8))
    builder.record({ $0.name("x.test") }, 16, [1, 0x61])
    #expect(try parse(builder.bytes, .txt).answers == [.text("grpc_config="), .text("a")])
  }

  @Test("a string that is longer than its record is malformed") func longText() {
    var builder = question(16)
    builder.record({ $0.name("x.test") }, 16, [5, 0x61])
    #expect(throws: DNSMessage.Malformed.self) { try parse(builder.bytes, .txt) }
  }

  @Test("addresses behind an alias are the answer, and what is of another type is passed over") func alias() throws {
    var builder = question(1, answers: 5)
    builder.record({ $0.bytes += [0xc0, 12] }, 5, [1, 0x79, 0xc0, 14])  // x.test CNAME y.test
    builder.record({ $0.name("y.test") }, 1, [10, 0, 0, 1])
    builder.record({ $0.name("y.test") }, 28, Array(repeating: 1, count: 16))
    builder.record({ $0.name("y.test") }, 16, [1, 0x61])
    builder.record({ $0.name("y.test") }, 1, [10, 0, 0, 2])
    #expect(try parse(builder.bytes, .a).answers == [.address("10.0.0.1"), .address("10.0.0.2")])
  }

  @Test("an answer of other types only is none", arguments: [DNSRecordType.a, .aaaa, .srv, .txt])
  func otherTypes(_ type: DNSRecordType) throws {
    var builder = question(Int(type.rawValue))
    builder.record({ $0.bytes += [0xc0, 12] }, 15, [0, 1, 1, 0x79, 0xc0, 14])  // MX
    #expect(try parse(builder.bytes, type).answers == [])
  }

  @Test("an address of a wrong length is malformed, not no address", arguments: [DNSRecordType.a, .aaaa])
  func wrongLength(_ type: DNSRecordType) {
    for length in [0, 3, 5, 15, 17] {
      var builder = question(Int(type.rawValue))
      builder.record({ $0.bytes += [0xc0, 12] }, Int(type.rawValue), Array(repeating: 1, count: length))
      #expect(throws: DNSMessage.Malformed.self) { try parse(builder.bytes, type) }
    }
  }

  @Test("hundreds of addresses are all read") func hundreds() throws {
    for (type, length) in [(DNSRecordType.a, 4), (.aaaa, 16)] {
      var builder = question(Int(type.rawValue), answers: 700)
      for index in 0..<700 {
        let data = Array(repeating: UInt8(9), count: length - 2) + [UInt8(index >> 8), UInt8(index & 0xff)]
        builder.record({ $0.bytes += [0xc0, 12] }, Int(type.rawValue), data)
      }
      let found = try parse(builder.bytes, type).answers.compactMap {
        if case .address(let text) = $0 { text } else { nil }
      }
      #expect(Set(found).count == 700)
    }
  }

  @Test("names that go in circles, beyond the end, or on and on are malformed", arguments: [false, true])
  func circles(isTarget: Bool) {
    func expectMalformed(_ name: [UInt8]) {
      var builder = question(isTarget ? 33 : 1)
      if isTarget {
        builder.record({ $0.bytes += [0xc0, 12] }, 33, [0, 1, 0, 2, 0, 80] + name)
      } else {
        builder.record({ $0.bytes += name }, 1, [10, 0, 0, 1])
      }
      #expect(throws: DNSMessage.Malformed.self) { try parse(builder.bytes, isTarget ? .srv : .a) }
    }
    let place = isTarget ? 42 : 24  // Where the name stands.
    for name: [UInt8] in [[0xc0, UInt8(place)], [0xc0, 200], [1, 0x61, 0xc0, UInt8(place)], [0x80, 1], [63, 1, 2]] {
      expectMalformed(name)
    }
    let label = [60] + Array(repeating: UInt8(ascii: "a"), count: 60)
    expectMalformed(Array(repeatElement(label, count: 5).joined()) + [0])
  }

  @Test("an answer that is cut off anywhere is malformed, and never read beyond its end") func truncation() throws {
    let whole = service
    // What follows the answers is a bonus.
    let answersEnd = try #require((0...whole.count).first { (try? parse(Array(whole[..<$0]), .srv)) != nil })
    #expect(answersEnd < whole.count)
    for count in 0..<answersEnd {
      #expect(throws: DNSMessage.Malformed.self) { try parse(Array(whole[..<count]), .srv) }
    }
    for count in answersEnd..<whole.count {
      #expect(try parse(Array(whole[..<count]), .srv).answers.count == 1)
      #expect(try parse(Array(whole[..<count]), .srv).additional == [:])
    }
  }

  @Test("damaged bytes are malformed, or an answer of what was asked for") func damage() {
    var random = SplitMix(seed: 7)
    var (read, refused) = (0, 0)
    for _ in 0..<20_000 {
      var bytes = service
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      for type in [DNSRecordType.a, .aaaa, .srv, .txt] {
        do {
          for answer in try parse(bytes, type).answers { #expect(Self.isOf(type, answer), "\(answer) of \(bytes)") }
          read += 1
        } catch {
          #expect(error is DNSMessage.Malformed, "\(error)")
          refused += 1
        }
      }
    }
    #expect(read > 0 && refused > 0, "\(read) were read, \(refused) refused: both ways have to be gone")
  }

  private static func isOf(_ type: DNSRecordType, _ answer: DNSMessage.Record) -> Bool {
    switch answer {
    case .address(let text): type == (text.contains(":") ? .aaaa : .a)
    case .service: type == .srv
    case .text: type == .txt
    }
  }
}
