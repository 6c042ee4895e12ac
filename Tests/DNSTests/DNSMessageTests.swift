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

  private func parse(_ bytes: [UInt8]) throws -> DNSMessage {
    try bytes.withUnsafeBytes { bytes throws(DNSMessage.Malformed) in try DNSMessage(parsing: bytes) }
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
    let message = try parse(service)
    #expect(message.answers.map(\.name) == ["_grpc._tcp.pods.test"])
    #expect(message.answers.map(\.data) == [.service(priority: 1, weight: 2, port: 50051, target: "one.pods.test")])
    #expect(message.additional.map(\.data) == [.address("10.0.0.1", .a), .address("fd00::1", .aaaa)])
  }

  @Test("the strings of a TXT record are one text") func text() throws {
    var builder = Builder()
    builder.header([0, 1, 0, 0])
    builder.record({ $0.name("x.test") }, 16, [5] + Array("grpc_".utf8) + [0] + [7] + Array("config=".utf8))
    #expect(try parse(builder.bytes).answers.map(\.data) == [.text("grpc_config=")])
  }

  @Test("names that go in circles, forwards, or on and on are malformed") func circles() {
    for name: [UInt8] in [[0xc0, 12], [0xc0, 40], [1, 0x61, 0xc0, 12], [0x80, 1], [63, 1, 2]] {
      var builder = Builder()
      builder.header([0, 1, 0, 0])
      builder.record({ $0.bytes += name }, 1, [10, 0, 0, 1])
      #expect(throws: DNSMessage.Malformed.self) { try parse(builder.bytes) }
    }
    var long = Builder()
    long.header([0, 1, 0, 0])
    long.record(
      { $0.name(Array(repeating: String(repeating: "a", count: 60), count: 5).joined(separator: ".")) }, 1,
      [1, 2, 3, 4])
    #expect(throws: DNSMessage.Malformed.self) { try parse(long.bytes) }
  }

  @Test("an answer that is cut off anywhere is malformed, and never read beyond its end") func truncation() throws {
    let whole = service
    // What follows the answers is a bonus.
    let answersEnd = try #require((0...whole.count).first { (try? parse(Array(whole[..<$0]))) != nil })
    #expect(answersEnd < whole.count)
    for count in 0..<answersEnd { #expect(throws: DNSMessage.Malformed.self) { try parse(Array(whole[..<count])) } }
    for count in answersEnd..<whole.count { #expect(try parse(Array(whole[..<count])).answers.count == 1) }
  }

  @Test("damaged bytes are an answer or malformed, nothing worse") func damage() {
    var random = SplitMix(state: 7)
    for _ in 0..<20_000 {
      var bytes = service
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      _ = try? parse(bytes)
    }
  }

  private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
  }
}
