import Foundation
import TestMessages
import Testing
import VoleryProtobuf

#if canImport(Glibc)
  import Glibc
#endif

/// Input that no encoder writes at once, but that is none the less a message, in amounts.
@Suite("Odd input", .timeLimit(.minutes(1)), .serialized) struct OddInputTests {
  /// `int32_value` of Everything as four fixed bytes: an unknown field.
  static let odd: [UInt8] = [0x1d, 1, 2, 3, 4]

  static func varint(_ value: Int) -> [UInt8] {
    value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7f) | 0x80] + varint(value >> 7)
  }

  /// `again` of Everything, so many deep, with an odd field at each level.
  static func nested(_ depth: Int, around content: [UInt8]) -> [UInt8] {
    var bytes = content
    for _ in 0..<depth { bytes = odd + [0x92, 1] + varint(bytes.count) + bytes }
    return bytes
  }

  /// Some input of a quarter of a megabyte, and how many times its size reading it may take; 0 where what comes is at once
  /// where it belongs, and takes nothing.
  struct Input: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    let factor: Int

    /// A blob, so many messages deep.
    init(depth: Int) {
      testDescription = "\(depth) levels"
      let blob = [UInt8](repeating: 7, count: 250_000)
      bytes = OddInputTests.nested(depth, around: [0x7a] + OddInputTests.varint(blob.count) + blob)
      factor = 6
    }

    init(_ name: String, _ fields: [UInt8], factor: Int) {
      testDescription = name
      bytes = odd + (0..<(250_000 / fields.count)).flatMap { _ in fields }
      self.factor = factor
    }
  }

  static let inputs = [
    Input(depth: 1), Input(depth: 45), Input(depth: 99), Input("pieces of a message", [0x8a, 1, 2, 8, 1], factor: 0),
    Input("empty pieces of a message", [0x8a, 1, 0], factor: 0), Input("numbers", [0x18, 1], factor: 0),
    Input("numbers and messages", [0x18, 1, 0xba, 2, 2, 8, 1], factor: 68),
    Input("a oneof's numbers", [0xf8, 3, 1, 0xf8, 3, 0], factor: 0),
    Input("a oneof's message and number", [0xf2, 3, 2, 8, 1, 0xf8, 3, 1], factor: 68),
    Input("unknown fields", [0xa0, 6, 1], factor: 6),
    Input("unknown fields between known ones", [0xa0, 6, 1, 0x18, 1], factor: 24),
    Input("long tags", [0x80, 0x8f, 0x80, 0, 1], factor: 24),
  ]

  @Test("memory is in proportion to the input, however deep it is", arguments: inputs) func memory(_ input: Input)
    throws
  {
    _ = try Everything(decoding: input.bytes)
    let options = DecodeOptions(maximumMemory: input.factor > 0 ? input.bytes.count / 2 : 4096)
    if input.factor > 0 {
      #expect(throws: ProtobufError.tooMuchMemory) { try Everything(decoding: input.bytes, options: options) }
    } else {
      _ = try Everything(decoding: input.bytes, options: options)
    }
    #if os(Linux)
      // Other tests may run beside this one: once more, then.
      let allowed = input.factor * input.bytes.count + 4 << 20
      var peak = try Self.peak { _ = try Everything(decoding: input.bytes) }
      if peak > allowed { peak = min(peak, try Self.peak { _ = try Everything(decoding: input.bytes) }) }
      #expect(peak <= allowed, "\(peak / 1024) KiB for \(input.bytes.count / 1024) KiB")
    #endif
  }

  @Test("groups within groups are written in memory that their depth does not multiply") func groups() throws {
    var message = Groups(single: .init(number: 1), choice: .text(String(repeating: "x", count: 250_000)))
    for _ in 0..<45 { message = Groups(single: .init(inner: message)) }
    let bytes = try message.encoded()
    #expect(try Groups(decoding: bytes) == message)
    #if os(Linux)
      let peak = try Self.peak { _ = try message.encoded() }
      #expect(peak < 6 * bytes.count + 4 << 20, "\(peak / 1024) KiB for \(bytes.count / 1024) KiB")
    #endif
  }

  #if os(Linux)
    /// By how much the process's memory grows at the most, by the kernel's count.
    static func peak(_ body: () throws -> Void) throws -> Int {
      func status(_ name: String) throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name) })
        return try #require(line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }) * 1024
      }
      // What earlier tests gave back counts anew. Swift's module of glibc does not have the function.
      let trim = try #require(dlsym(nil, "malloc_trim"))
      _ = unsafeBitCast(trim, to: (@convention(c) (Int) -> Int32).self)(0)
      // Resets VmHWM (proc(5)).
      let clear = try #require(FileHandle(forWritingAtPath: "/proc/self/clear_refs"))
      try clear.write(contentsOf: Data("5".utf8))
      let before = try status("VmRSS")
      try body()
      return try status("VmHWM") - before
    }
  #endif

  @Test("pieces of a message at every level become one message, in order") func pieces() throws {
    func again(_ content: [UInt8]) -> [UInt8] { [0x92, 1] + Self.varint(content.count) + content }
    func inner(_ numbers: [UInt8]) -> [UInt8] { [0x8a, 1, UInt8(2 * numbers.count)] + numbers.flatMap { [0x10, $0] } }
    let bytes =
      again(inner([1, 2]) + again(inner([7]))) + again([])
      + again(Self.odd + inner([3]) + again(inner([8]) + inner([9])))
    let message = try Everything(decoding: bytes)
    #expect(message.again?.inner?.numbers == [1, 2, 3])
    #expect(message.again?.again?.inner?.numbers == [7, 8, 9])
    #expect(message.again?.unknownFields.bytes == Self.odd)
    // A piece that stops in its middle is not completed by the next one.
    #expect(throws: ProtobufError.malformed) {
      try Everything(decoding: again([0x72, 5, 65]) + again([66, 67, 68, 69]))
    }
  }

  @Test("of a oneof that changes its mind often, the last member counts with all its pieces") func oneofs() throws {
    let text: [UInt8] = [0xea, 3, 1, 65]
    let inner: (UInt8) -> [UInt8] = { [0xf2, 3, 2, 0x10, $0] }
    let number: [UInt8] = [0xf8, 3, 1]
    #expect(
      try Everything(decoding: inner(1) + text + inner(2) + inner(3)).choice == .choiceInner(.init(numbers: [2, 3])))
    #expect(try Everything(decoding: inner(1) + inner(2) + number + text + text).choice == .choiceString("A"))
    #expect(try Everything(decoding: inner(1) + number + Self.odd + [0x1d, 0, 0, 0, 0]).choice == .choiceBool(true))
  }

  @Test(
    "a message that another member of its oneof replaces has to be well-formed all the same",
    arguments: [[0x1a, 1, 0xff], [0x1a, 1], [0x80], [0x0b], [0x12, 1, 0x80]] as [[UInt8]])
  func superseded(_ content: [UInt8]) throws {
    let head: [UInt8] = [0xf2, 3, UInt8(content.count)]
    #expect(throws: ProtobufError.self) { try Everything(decoding: head + content + [0xf8, 3, 1]) }
    #expect(throws: ProtobufError.self) {
      try Everything(decoding: [0xf2, 3, 2, 8, 1] + head + content + [0xf2, 3, 2, 8, 1, 0xf8, 3, 1])
    }
    #expect(try Everything(decoding: [0xf2, 3, 2, 8, 1, 0xf8, 3, 1]).choice == .choiceBool(true))
  }

  @Test("of a singular string the last one counts, and each is looked at") func strings() throws {
    let text: ([UInt8]) -> [UInt8] = { [0x72, UInt8($0.count)] + $0 }
    #expect(try Everything(decoding: text([65]) + text([66])).stringValue == "B")
    #expect(try Everything(decoding: text([65]) + text([])).stringValue == "")
    for bytes in [text([0xff]) + text([65]), text([65]) + text([0xff]), text([0xff]) + text([65]) + text([66])] {
      #expect(throws: ProtobufError.invalidUTF8) { try Everything(decoding: bytes) }
    }
    // The same within a oneof, and where a number replaces it.
    #expect(throws: ProtobufError.invalidUTF8) { try Everything(decoding: [0xea, 3, 1, 0xff, 0xea, 3, 1, 65]) }
    #expect(throws: ProtobufError.invalidUTF8) { try Everything(decoding: [0xea, 3, 1, 0xff, 0xf8, 3, 1]) }
    // And of a map's key and value.
    let entry: ([UInt8]) -> [UInt8] = { [0x0a, 1, 65] + $0 + [0x12, 1, 67] }
    let map = Everything.with { $0.stringMap = ["A": "C"] }
    let tag = Array(try map.encoded().prefix(2))
    let read: ([UInt8]) throws -> Everything = { try Everything(decoding: tag + [UInt8(entry($0).count)] + entry($0)) }
    #expect(try read([0x0a, 1, 66, 0x12, 1, 68]).stringMap == ["B": "C"])
    #expect(throws: ProtobufError.invalidUTF8) { try read([0x12, 1, 0xff]) }
  }

  @Test("unknown fields stay in their order, whatever stands between them") func unknownFields() throws {
    let unknown: [[UInt8]] = [
      [0xa0, 6, 1], Self.odd, [0xa3, 6, 0x08, 1, 0xa4, 6], [0xa2, 6, 2, 7, 8], [0xa1, 6, 1, 2, 3, 4, 5, 6, 7, 8],
    ]
    let known: [[UInt8]] = [[0x18, 1], [0xba, 2, 2, 8, 1], [], [0x72, 1, 65], [0x8a, 1, 0]]
    let bytes = zip(unknown, known).flatMap { $0 + $1 }
    #expect(try Everything(decoding: bytes).unknownFields.bytes == Array(unknown.joined()))
    // A tag that is longer than it need be becomes as short as it can be.
    let long: [UInt8] = [0xa0, 0x86, 0x80, 0, 1]
    #expect(
      try Everything(decoding: unknown[0] + long + unknown[1]).unknownFields.bytes == [0xa0, 6, 1, 0xa0, 6, 1]
        + Self.odd)
  }

  @Test(
    "a tag of 0, one beyond 32 bits or of more than 5 bytes, and an end of a group that has not begun, are malformed",
    arguments: [
      [0], [0x80, 0], [7], [0xff, 0xff, 0xff, 0xff, 0x1f, 1], [0x80, 0x80, 0x80, 0x80, 0x80, 1, 1], [0xf8, 0xff],
      [0x1c], [0x1e, 1],
      [0x1f, 1],
    ] as [[UInt8]])
  func tags(_ bytes: [UInt8]) {
    #expect(throws: ProtobufError.malformed) { try Everything(decoding: bytes) }
    #expect(throws: ProtobufError.malformed) { try Everything(decoding: [0x18, 1] + bytes) }
    #expect(throws: ProtobufError.malformed) { try Nothing(decoding: bytes) }
    #expect(throws: ProtobufError.malformed) { try Groups(decoding: bytes) }
  }

  @Test("groups in groups are a matter of depth, not of the stack, where there is no limit") func groupsWithoutLimit()
    throws
  {
    let count = 200_000
    let bytes = [UInt8](repeating: 0x13, count: count) + [UInt8](repeating: 0x14, count: count)
    let options = DecodeOptions(maximumDepth: .max)
    #expect(try Nothing(decoding: bytes, options: options).unknownFields.bytes == bytes)
    #expect(throws: ProtobufError.malformed) { try Nothing(decoding: Array(bytes.dropLast()), options: options) }
  }
}
