import TestMessages
import Testing
import VoleryProtobuf

@Suite("Messages on libprotobuf-c", .timeLimit(.minutes(1))) struct MessageTests {
  static let full = Everything.with {
    $0.doubleValue = -0.0
    $0.floatValue = .infinity
    $0.int32Value = .min
    $0.int64Value = .min
    $0.uint32Value = .max
    $0.uint64Value = .max
    $0.sint32Value = .min
    $0.sint64Value = .min
    $0.fixed32Value = .max
    $0.fixed64Value = .max
    $0.sfixed32Value = .min
    $0.sfixed64Value = .min
    $0.boolValue = true
    $0.stringValue = "grüße \u{0} 😈"
    $0.bytesValue = [0, 255, 0]
    $0.colour = .negative
    $0.inner = Everything.Inner(number: 7, numbers: [1, 2], text: "x")
    $0.again = Everything(int32Value: 5)
    $0.maybeInt32 = 0
    $0.maybeString = ""
    $0.maybeBool = false
    $0.maybeColour = .unspecified
    $0.int32List = [1, -1, .max]
    $0.sint64List = [.min, 0, .max]
    $0.fixed64List = [1, .max]
    $0.doubleList = [0, -1.5]
    $0.boolList = [true, false, true]
    $0.stringList = ["", "a"]
    $0.bytesList = [[], [1]]
    $0.colourList = [.red, .unrecognized(99)]
    $0.innerList = [Everything.Inner(), Everything.Inner(number: 1)]
    $0.unpackedList = [3, 2, 1]
    $0.stringMap = ["k": "v", "": ""]
    $0.innerMap = [-1: Everything.Inner(text: "m"), 0: Everything.Inner()]
    $0.colourMap = [true: .red, false: .unspecified]
    $0.bytesMap = [.min: [9]]
    $0.choice = .choiceInner(Everything.Inner(number: 3))
    $0.`class` = "class"
    $0.init_p = 1
  }

  @Test("every field survives the way through bytes") func roundTrip() throws {
    let decoded = try Everything(decoding: Self.full.encoded())
    for (mine, read) in zip(Mirror(reflecting: Self.full).children, Mirror(reflecting: decoded).children) {
      #expect("\(mine.value)".sorted() == "\(read.value)".sorted(), "\(mine.label ?? "")")
    }
    #expect(decoded == Self.full)
    #expect(decoded.doubleValue.sign == .minus)
  }

  @Test(
    "each member of a oneof survives",
    arguments: [
      Everything.Choice.choiceString(""), .choiceString("x"), .choiceBool(false), .choiceBytes([]), .choiceColour(.red),
      .choiceInner(Everything.Inner()),
    ])
  func oneof(_ choice: Everything.Choice) throws {
    #expect(try Everything(decoding: Everything(choice: choice).encoded()).choice == choice)
  }

  @Test("an empty message has no bytes, and no bytes are an empty message") func empty() throws {
    #expect(try Everything().encoded() == [])
    #expect(try Everything(decoding: []) == Everything())
    #expect(try Nothing(decoding: [8, 1]).encoded() == [8, 1])
  }

  /// Whether it is read. If so it can be written, and that is read as the same; if not, the error says why.
  private func isRead(_ bytes: [UInt8]) throws -> Bool {
    let message: Everything
    do { message = try Everything(decoding: bytes) } catch {
      #expect(!error.description.isEmpty, "\(bytes)")
      return false
    }
    let written = try message.encoded()
    let again = try Everything(decoding: written)
    // Not a number is unequal to itself, and maps have no order: the same bytes in any order, then.
    #expect(try again == message || again.encoded().sorted() == written.sorted(), "\(bytes)")
    return true
  }

  @Test("every prefix of a full message is a message where a field ends, and refused elsewhere")
  func truncation() throws {
    let bytes = try Self.full.encoded()
    let read = try bytes.indices.count(where: { try isRead(Array(bytes[..<$0])) })
    #expect(read > 30 && read < bytes.count / 2, "\(read) of \(bytes.count)")
  }

  @Test("any single byte changed gives a message that can be sent on, or is refused") func mutation() throws {
    var bytes = try Self.full.encoded()
    var (read, refused) = (0, 0)
    for index in bytes.indices {
      for change: UInt8 in [1, 0x80, 0xff] {
        bytes[index] ^= change
        if try isRead(bytes) { read += 1 } else { refused += 1 }
        bytes[index] ^= change
      }
    }
    #expect(read > 0 && refused > 0, "\(read) were read, \(refused) refused: both ways have to be gone")
  }

  @Test("fields that nobody knows are kept and sent on") func unknownFields() throws {
    // Field 2 of Numbers is unknown: varint, fixed64, bytes, group, fixed32.
    let unknown: [UInt8] = [16, 5, 17, 1, 2, 3, 4, 5, 6, 7, 8, 18, 1, 65, 19, 8, 1, 20, 21, 1, 2, 3, 4]
    let message = try Numbers(decoding: [8, 1] + unknown)
    #expect(message.first == 1)
    #expect(!message.unknownFields.isEmpty)
    #expect(try message.encoded() == [8, 1] + unknown)
  }

  @Test(
    "the tag of an unknown field is kept as short as it can be, whoever has read it",
    arguments: [[], [0x12, 1, 0x61, 0x12, 1, 0x62]] as [[UInt8]])
  func overlongTag(_ known: [UInt8]) throws {
    // A string that comes twice is read by another way.
    let message = try Extended(decoding: known + [0xb0, 0x80, 0, 0x16])
    #expect(message.unknownFields.bytes == [0x30, 0x16])
    #expect(try Extended(decoding: message.encoded()) == message)
  }

  @Test("a known field with another wire type is an unknown field") func wireTypeMismatch() throws {
    let message = try Numbers(decoding: [13, 1, 0, 0, 0, 8, 2])
    #expect(message.first == 2)
    #expect(try Numbers(decoding: message.encoded()).first == 2)
  }

  @Test("the pieces of a sub-message are merged, the last scalar wins") func merging() throws {
    let first = try Everything(inner: Everything.Inner(number: 1, numbers: [1], text: "a")).encoded()
    let second = try Everything(inner: Everything.Inner(number: 2, numbers: [2])).encoded()
    let merged = try Everything(decoding: first + second)
    #expect(merged.inner == Everything.Inner(number: 2, numbers: [1, 2], text: "a"))
  }

  @Test("packed and unpacked are read both ways") func packing() throws {
    #expect(try Everything(decoding: [0xf8, 1, 1, 0xf8, 1, 2]).int32List == [1, 2])
    #expect(try Everything(decoding: [0xc2, 2, 2, 1, 2]).unpackedList == [1, 2])
    #expect(try Old(decoding: Old(needed: 1, unpacked: [1, 2], packed: [3, 4]).encoded()).packed == [3, 4])
  }

  @Test("field numbers 0 and beyond 2^29-1 are refused, the last one is not") func fieldNumbers() throws {
    #expect(throws: ProtobufError.self) { try Numbers(decoding: [0, 1]) }
    #expect(throws: ProtobufError.self) { try Numbers(decoding: [0xf8, 0xff, 0xff, 0xff, 0x7f, 1]) }
    #expect(try Numbers(decoding: Numbers(last: 4).encoded()).last == 4)
  }

  @Test("strings have to be UTF-8") func invalidUTF8() {
    #expect(throws: ProtobufError.invalidUTF8) { try Everything(decoding: [0x72, 1, 0xff]) }
  }

  @Test("nesting beyond the limit is an error, whatever the depth", arguments: [101, 1_000, 100_000])
  func nesting(_ depth: Int) throws {
    var bytes: [UInt8] = []
    var lengths: [Int] = []
    var size = 0
    for _ in 0..<depth {
      lengths.append(size)
      size += 2 + varint(size).count
    }
    for length in lengths.reversed() { bytes += [0x92, 1] + varint(length) }
    #expect(throws: ProtobufError.self) { try Everything(decoding: bytes) }
  }

  @Test("nesting within the limit is read") func allowedNesting() throws {
    var message = Everything()
    for _ in 0..<90 { message = Everything(again: message) }
    #expect(try Everything(decoding: message.encoded()) == message)
  }

  @Test("a length that promises gigabytes is refused") func hostileLength() {
    #expect(throws: ProtobufError.self) { try Everything(decoding: [0x7a, 0xff, 0xff, 0xff, 0xff, 7]) }
    #expect(throws: ProtobufError.self) {
      try Everything(decoding: [0x7a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])
    }
  }

  @Test("an enum value that nobody knows is kept") func openEnum() throws {
    #expect(try Everything(decoding: [0x80, 1, 77]).colour == .unrecognized(77))
  }

  @Test("a large message is read back") func large() throws {
    let message = Everything(
      bytesValue: [UInt8](repeating: 7, count: 3 << 20), innerList: (0..<10_000).map { .init(number: $0) })
    #expect(try Everything(decoding: message.encoded()) == message)
  }

  @Test("messages are coded on many tasks at once") func concurrency() async throws {
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<64 {
        group.addTask {
          for _ in 0..<50 where try Everything(decoding: Self.full.encoded()) != Self.full { return false }
          return true
        }
      }
      for try await isSame in group { #expect(isSame) }
    }
  }

  private func varint(_ value: Int) -> [UInt8] {
    var rest = value
    var out: [UInt8] = []
    while rest >= 0x80 {
      out.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    return out + [UInt8(rest)]
  }
}
