import TestMessages
import Testing
import VoleryProtobuf

/// A small message is written where there is room for what it has at the most, a large one where there is room for what it
/// has (EncodeContext): the bytes are the same.
@Suite("Sizes of encoded messages", .timeLimit(.minutes(1))) struct EncodedSizeTests {
  /// Each field at its longest.
  private static let longest = Everything.with {
    $0.doubleValue = .greatestFiniteMagnitude
    $0.floatValue = .greatestFiniteMagnitude
    ($0.int32Value, $0.int64Value, $0.uint32Value, $0.uint64Value) = (.min, .min, .max, .max)
    ($0.sint32Value, $0.sint64Value, $0.fixed32Value, $0.fixed64Value) = (.min, .min, .max, .max)
    ($0.sfixed32Value, $0.sfixed64Value, $0.boolValue, $0.colour) = (.min, .min, true, .unrecognized(.min))
    ($0.stringValue, $0.maybeString, $0.class) = ("abcdefghijklmno", "", String(repeating: "é", count: 20))
    ($0.maybeInt32, $0.maybeBool, $0.maybeColour) = (-1, true, .unrecognized(-1))
    ($0.int32List, $0.sint64List, $0.fixed64List) = ([.min, -1], [.min, .max], [.max, 0])
    ($0.doubleList, $0.boolList, $0.unpackedList) = ([.nan, 0], [true, false], [.min, -1, 0])
    ($0.stringList, $0.bytesList) = (["", "short", String(repeating: "long", count: 8)], [[], [1], [2, 3]])
    $0.colourList = [.unrecognized(.min), .red]
    $0.stringMap = ["": String(repeating: "v", count: 33)]
    $0.colourMap = [true: .unrecognized(.min)]
    $0.bytesMap = [.min: [1, 2, 3]]
    $0.choice = .choiceBytes([UInt8](repeating: 9, count: 100))
  }

  /// So many bytes make it a large message; they stand in front of field 16.
  private static let large = [UInt8](repeating: 7, count: 3000)

  private static func check(_ message: Everything) throws {
    let small = try message.encoded()
    var other = message
    other.bytesValue = large
    var bytes = try other.encoded()
    let field: [UInt8] = [0x7a, 0xb8, 0x17] + large
    let start = try #require((0...(bytes.count - field.count)).first { bytes[$0...].starts(with: field) })
    bytes.removeSubrange(start..<(start + field.count))
    #expect(bytes == small)
    #expect(try Everything(decoding: small).encoded() == small)
  }

  @Test("fields at their longest") func longestFields() throws {
    try Self.check(Self.longest)
    try Self.check(.with { $0.again = Self.longest })
    try Self.check(.with { $0.again = .with { $0.again = Self.longest } })
  }

  @Test("unknown fields at their longest") func unknownFields() throws {
    // Each with the greatest number there is.
    let tag: [UInt8] = [0xf8, 0xff, 0xff, 0xff, 0x0f]
    let unknown = tag + [UInt8](repeating: 0xff, count: 9) + [1]
    let bytes = Array([[UInt8]](repeating: unknown, count: 50).joined())
    let message = try Everything(decoding: bytes)
    #expect(try message.encoded() == bytes)
    #expect(try Everything.with { $0.again = message }.encoded().suffix(bytes.count) == bytes[...])
  }

  @Test("from nothing to more than an arena's first memory has room for") func growing() throws {
    let text = String(repeating: "0123456789", count: 4)
    for count in Array(0..<60) + Array(stride(from: 60, through: 3000, by: 49)) {
      let strings = Everything.with { $0.stringList = [String](repeating: text, count: count) }
      #expect(try strings.encoded().count == count * (text.utf8.count + 3))
      let inner = Everything.with {
        $0.innerMap = .init(uniqueKeysWithValues: (0..<Int32(count)).map { ($0, .init()) })
        $0.unpackedList = [Int32](repeating: -1, count: count)
      }
      #expect(try Everything(decoding: inner.encoded()) == inner)
    }
  }

  @Test("bytes around the size that is not copied twice", arguments: [2046, 2047, 2048, 2049, 32767, 32768, 70_000])
  func bytes(_ count: Int) throws {
    let message = Everything.with { $0.bytesList = [[1], [UInt8](repeating: 5, count: count), [2]] }
    #expect(try Everything(decoding: message.encoded()) == message)
  }
}
