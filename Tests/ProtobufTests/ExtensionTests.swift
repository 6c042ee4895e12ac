import TestMessages
import Testing
import VoleryProtobuf

@Suite("Extensions", .timeLimit(.minutes(1))) struct ExtensionTests {
  static let full = Extended.with {
    $0.id = 1
    $0.plain = -7
    $0.id_101 = "text"
    $0.numbers = [1, 2]
    $0.packedNumbers = [3, 4]
    $0.old = Old(needed: 5)
    $0.olds = [Old(needed: 6), Old(needed: 7)]
    $0.closed = .minus
    $0.grouped = Extended.GroupedExtension().value
    $0.far = [1, 2, 3]
    $0.scoped = 0.5
  }

  @Test("values of every kind are set, travel and are read") func values() throws {
    let read = try Extended(decoding: Self.full.encoded())
    #expect(read.id == 1)
    #expect(read.plain == -7)
    #expect(read.id_101 == "text")
    #expect(read.numbers == [1, 2])
    #expect(read.packedNumbers == [3, 4])
    #expect(read.old == Old(needed: 5))
    #expect(read.olds.map(\.needed) == [6, 7])
    #expect(read.closed == .minus)
    #expect(read.far == [1, 2, 3])
    #expect(read.scoped == 0.5)
    #expect(read == Self.full)
  }

  @Test("what is not set is nil or empty, and has its default") func unset() {
    let message = Extended()
    #expect(message.plain == nil)
    #expect(message.numbers.isEmpty)
    #expect(message.id_101 == nil)
    #expect(message.id_101OrDefault == "none")
  }

  @Test("setting one leaves the others, and fields that nobody knows, where they are") func independence() throws {
    var message = try Extended(decoding: Self.full.encoded() + [0xc2, 0x3e, 1, 65])
    message.plain = 8
    message.numbers = []
    message.old = nil
    #expect(message.plain == 8)
    #expect(message.numbers.isEmpty)
    #expect(message.old == nil)
    #expect(message.olds.count == 2)
    #expect(message.unknownFields.bytes.suffix(20).contains(0xc2))
    #expect(try Extended(decoding: message.encoded()) == message)
  }

  @Test("repeated ones are read packed and unpacked, singular messages are merged") func wireForms() throws {
    // 102 and 103, each in the other's form; 104 in two pieces.
    let bytes: [UInt8] = [
      0xb2, 0x06, 2, 1, 2, 0xb8, 0x06, 3, 0xb8, 0x06, 4, 0xc2, 0x06, 2, 0x08, 9, 0xc2, 0x06, 3, 0x12, 1, 65,
    ]
    let message = try Extended(decoding: bytes)
    #expect(message.numbers == [1, 2])
    #expect(message.packedNumbers == [3, 4])
    #expect(message.old == Old(needed: 9, text: "A"))
  }

  @Test("malformed content is an error of value(of:), and reads as unset") func malformed() throws {
    // 104 (a message) holds half a field.
    let message = try Extended(decoding: [0xc2, 0x06, 1, 0x08])
    #expect(message.old == nil)
    #expect(throws: ProtobufError.malformed) { try message.value(of: Extended.OldExtension.self) }
    #expect(try message.value(of: Extended.PlainExtension.self) == nil)
    var repaired = message
    repaired.old = Old(needed: 1)
    #expect(try repaired.value(of: Extended.OldExtension.self) == Old(needed: 1))
  }
}
