import TestMessages
import Testing
import VoleryProtobuf
import VoleryTypes

@Suite("Messages with large byte fields") struct PieceTests {
  private static func large(_ seed: UInt8, _ count: Int = MessageSink.sharedByteCount) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0) &* 31 &+ seed }
  }

  private static let shared = large(7)

  /// A message, and how many of its fields are not copied.
  static let messages: [(name: String, message: Everything, uncopied: Int)] = [
    ("one byte too few", Everything(bytesValue: large(1, MessageSink.sharedByteCount - 1)), 0),
    ("just enough", Everything(bytesValue: large(1)), 1),
    (
      "fields before and after it",
      Everything(stringValue: "before", bytesValue: large(2, 100_000), int32List: [1, 2, 3]), 1
    ),
    ("several", Everything(bytesValue: large(3), bytesList: [large(4), [], [1], large(5, 70_000), large(6)]), 4),
    ("the same array twice", Everything(bytesValue: shared, bytesList: [shared, shared]), 3),
    (
      "deep inside", Everything(again: Everything(again: Everything(bytesValue: large(8, 50_000), bytesList: [[9]]))), 1
    ),
    ("in a map", Everything(bytesMap: [-1: large(10), 5: [1], 6: large(11)]), 2),
    ("in a oneof", Everything(choice: .choiceBytes(large(12))), 1),
  ]

  @Test("the frame has the same bytes as the message, and large fields are not copied", arguments: messages.indices)
  func pieces(_ index: Int) throws {
    let (name, message, uncopied) = Self.messages[index]
    var sink = MessageSink()
    try message.serialize(into: &sink)
    let byteCount = sink.byteCount
    let frame = sink.finish()
    let encoded = try message.encoded()
    #expect(byteCount == encoded.count, "\(name)")
    #expect(frame.count == encoded.count + MessageSink.prefixByteCount, "\(name)")
    let prefix = [0] + withUnsafeBytes(of: UInt32(encoded.count).bigEndian) { Array($0) }
    #expect(frame.joined == prefix + encoded, "\(name)")
    let fields = message.largeFields
    let found = frame.pieces.count { piece in fields.contains { $0.start == piece.start } }
    #expect(found == uncopied, "\(name)")
    #expect(try Everything(decoding: Array(frame.joined.dropFirst(MessageSink.prefixByteCount))) == message, "\(name)")
  }

  @Test("who changes the field afterwards changes a copy") func isolation() throws {
    var message = Everything(bytesValue: Self.large(1))
    var sink = MessageSink()
    try message.serialize(into: &sink)
    let frame = sink.finish()
    let before = frame.joined
    message.bytesValue[0] ^= 0xff
    #expect(frame.joined == before)
  }

  @Test("a sink takes large and small parts in any order") func sink() throws {
    let parts = [[1, 2], Self.large(2), [3], [], Self.large(3), Self.large(4), [4, 5, 6]]
    for order in [parts, parts.reversed()] {
      var sink = MessageSink()
      for part in order { sink.write(part) }
      let message = order.flatMap { $0 }
      #expect(sink.byteCount == message.count)
      let frame = sink.finish()
      #expect(Array(frame.joined.dropFirst(MessageSink.prefixByteCount)) == message)
      #expect(frame.messageByteCount == message.count)
      #expect(
        frame.head.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 1, as: UInt32.self).byteSwapped } == message.count
      )
    }
  }
}

extension [UInt8] {
  fileprivate var start: UnsafePointer<UInt8>? { withUnsafeBufferPointer { $0.baseAddress } }
}

extension Everything {
  fileprivate var largeFields: [[UInt8]] {
    var fields = bytesList + bytesMap.values + [bytesValue]
    if case .choiceBytes(let bytes) = choice { fields.append(bytes) }
    return fields + (again?.largeFields ?? [])
  }
}
