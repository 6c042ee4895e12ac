import TestMessages
import Testing
import VoleryProtobuf

/// Long packed lists are written in a way of their own (PackedNumbers), and read many bytes at a time: nobody should notice.
@Suite("Long packed lists", .timeLimit(.minutes(1))) struct PackedNumbersTests {
  /// Varints of one to ten bytes, and each length's smallest and largest.
  private static let values: [UInt64] = (0..<64).flatMap { [1 << UInt64($0), (1 << UInt64($0)) - 1] } + [.max]

  private static func varint(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  private static func field(_ number: UInt64, _ content: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(UInt64(content.count)) + content
  }

  /// So many times the list that the way is taken.
  private static func long<Value>(_ values: [Value]) -> [Value] {
    Array([[Value]](repeating: values, count: 40).joined())
  }

  @Test("numbers of all lengths are written as protobuf writes them, and read back") func allLengths() throws {
    let int32s = Self.long(Self.values.map { Int32(truncatingIfNeeded: $0) })
    let sint64s = Self.long(Self.values.map { Int64(bitPattern: $0) })
    let bools = Self.long([true, false])
    let message = Everything.with {
      $0.int32List = int32s
      $0.sint64List = sint64s
      $0.fixed64List = Self.values
      $0.boolList = bools
      $0.colourList = Self.long([.red, .unrecognized(-7)])
    }
    let bytes = try message.encoded()
    let expected =
      Self.field(31, int32s.flatMap { Self.varint(UInt64(bitPattern: Int64($0))) })
      + Self.field(32, sint64s.flatMap { Self.varint(UInt64(bitPattern: $0 << 1 ^ $0 >> 63)) })
    #expect(Array(bytes.prefix(expected.count)) == expected)
    let read = try Everything(decoding: bytes)
    #expect(read == message)
    #expect(try read.encoded() == bytes)
  }

  @Test("numbers one by one, in pieces, and both ways in one message are read in their order") func otherForms() throws
  {
    let values = Self.long([Int32(1), 300, -1, .max, .min])
    let varints = values.map { Self.varint(UInt64(bitPattern: Int64($0))) }
    let packed = Self.field(31, Array(varints.joined()))
    let single = varints.flatMap { Self.varint(31 << 3) + $0 }
    #expect(try Everything(decoding: single).int32List == values)
    #expect(try Everything(decoding: packed + packed).int32List == values + values)
    #expect(try Everything(decoding: packed + single).int32List == values + values)
    #expect(try Everything(decoding: single + packed + Self.field(31, [])).int32List == values + values)
    #expect(try Everything(decoding: packed + Self.field(31, [7])).int32List == values + [7])
  }

  @Test(
    "a list that ends inside a number, and a number of more than 10 bytes, are errors",
    arguments: [[0x80], [0xff, 0xff, 0xff], [UInt8](repeating: 0x80, count: 10) + [1]])
  func malformed(ending: [UInt8]) {
    let content = [UInt8](repeating: 1, count: 5000)
    for bytes in [content + ending, ending + content] where !(bytes.starts(with: ending) && ending.count < 10) {
      #expect(throws: ProtobufError.malformed) { try Everything(decoding: Self.field(31, bytes)) }
    }
  }

  @Test("numbers wider than their type lose their upper bits, and long forms of small ones count") func wide() throws {
    let content = Self.long([Self.varint(1 << 40 | 5), [0x83, 0x80, 0x80, 0x00]])
    let read = try Everything(decoding: Self.field(31, Array(content.joined()))).int32List
    #expect(read == Self.long([Int32(5), 3]))
  }

  @Test("their memory counts against the limit") func limit() throws {
    let bytes = Self.field(32, [UInt8](repeating: 1, count: 100_000))
    #expect(throws: ProtobufError.tooMuchMemory) {
      try Everything(decoding: bytes, options: DecodeOptions(maximumMemory: 500_000))
    }
    #expect(
      try Everything(decoding: bytes, options: DecodeOptions(maximumMemory: 1_100_000)).sint64List.count == 100_000)
  }

  @Test("JSON of a decoded message has the numbers") func json() throws {
    let values = Self.long([Int32(-3), 70_000])
    let message = try Everything(decoding: try Everything.with { $0.int32List = values }.encoded())
    #expect(try Everything(jsonString: try message.jsonString()).int32List == values)
  }
}
