import TestMessages
import Testing
import VoleryProtobuf
import VoleryTypes

@Suite("Limits of decoding", .timeLimit(.minutes(1))) struct LimitTests {
  /// A message with so many messages within it.
  static func nested(_ depth: Int) throws -> [UInt8] {
    var lengths: [Int] = []
    var size = 0
    for _ in 0..<depth {
      lengths.append(size)
      size += 2 + UnknownFields.varintByteCount(size)
    }
    return lengths.reversed().flatMap { [0x92, 1] + UnknownFields.varint($0) }
  }

  @Test(
    "100 levels are read, 101 are not, unless the options say otherwise",
    arguments: [(100, 100, true), (101, 100, false), (101, 101, true), (4, 3, false), (3, 3, true), (0, 0, true)])
  func depth(_ depth: Int, _ limit: Int, _ isAllowed: Bool) throws {
    let bytes = try Self.nested(depth)
    let options = DecodeOptions(maximumDepth: limit)
    if isAllowed {
      _ = try Everything(decoding: bytes, options: options)
    } else {
      #expect(throws: ProtobufError.tooDeep(limit: limit)) { try Everything(decoding: bytes, options: options) }
    }
  }

  @Test("unknown groups count as levels") func unknownGroups() throws {
    let bytes = [UInt8](repeating: 0x13, count: 101) + [UInt8](repeating: 0x14, count: 101)
    #expect(throws: ProtobufError.tooDeep(limit: 100)) { try Nothing(decoding: bytes) }
    _ = try Nothing(decoding: bytes, options: DecodeOptions(maximumDepth: 101))
  }

  @Test("without a limit of depth the stack is one") func stack() throws {
    let bytes = try Self.nested(200_000)
    let options = DecodeOptions(maximumDepth: .max, maximumMemory: .max)
    #expect(throws: ProtobufError.tooDeep(limit: .max)) { try Everything(decoding: bytes, options: options) }
  }

  @Test("memory is bounded by the options") func memory() throws {
    let bytes = try Everything(bytesValue: [UInt8](repeating: 1, count: 100_000)).encoded()
    #expect(throws: ProtobufError.tooMuchMemory) {
      try Everything(decoding: bytes, options: DecodeOptions(maximumMemory: 50_000))
    }
    _ = try Everything(decoding: bytes, options: DecodeOptions(maximumMemory: 200_000))
  }

  @Test("input that asks for memory out of proportion is refused") func disproportion() throws {
    // Two bytes for each empty sub-message, which are hundreds in memory.
    let bytes = [UInt8]((0..<500_000).flatMap { _ in [0xba, 2, 0] as [UInt8] })
    #expect(throws: ProtobufError.tooMuchMemory) {
      try Everything(decoding: bytes, options: DecodeOptions(maximumMemory: 4 << 20))
    }
  }

  @Test("a type has its own limits in calls, and a serializer may have others") func calls() throws {
    let bytes = try Tree(left: Tree(left: Tree())).encoded()
    #expect(throws: ProtobufError.tooDeep(limit: 1)) { try Tree(wireArray: bytes) }
    #expect(throws: ProtobufError.tooDeep(limit: 1)) { try Serializer<Tree>.wire.deserialize(bytes) }
    let serializer = Serializer<Tree>.protobuf(decoding: DecodeOptions(maximumDepth: 2))
    #expect(try serializer.deserialize(bytes) == Tree(left: Tree(left: Tree())))
    let old = Serializer<Old>.protobuf(encoding: EncodeOptions(allowsPartial: true))
    var sink = MessageSink()
    try old.serialize(Old(), &sink)
    #expect(throws: ProtobufError.self) { try Serializer<Old>.wire.serialize(Old(), &sink) }
  }

  @Test("a string that a later one replaces is looked at all the same") func replacedString() {
    #expect(throws: ProtobufError.invalidUTF8) { try Everything(decoding: [0x72, 1, 0xff, 0x72, 1, 65]) }
  }
}

extension UnknownFields {
  fileprivate static func varint(_ value: Int) -> [UInt8] {
    value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7f) | 0x80] + varint(value >> 7)
  }

  fileprivate static func varintByteCount(_ value: Int) -> Int { varint(value).count }
}
