import TestMessages
import Testing
import Volery

@Suite("Text format", .timeLimit(.minutes(2))) struct TextFormatTests {
  @Test("what is written is read the same by another implementation", .enabled(if: Arbiter.isThere)) func writing()
    throws
  {
    var random = SeededRandom(seed: 3)
    let messages = (0..<100).map { _ in Format.random(&random, depth: 0) }
    let answers = try Arbiter.ask(messages.map { (.fromText, Array($0.textFormat.utf8)) })
    for (message, answer) in zip(messages, answers) {
      let bytes = try #require(answer, "the arbiter refuses \(message)")
      #expect(try Format(decoding: bytes).description == message.description)
    }
  }

  @Test(
    "the forms of values",
    arguments: [
      (Format(int32Value: -1), "int32_value: -1\n"), (Format(doubleValue: .infinity), "double_value: inf\n"),
      (Format(floatValue: -.infinity), "float_value: -inf\n"), (Format(doubleValue: .nan), "double_value: nan\n"),
      (Format(doubleValue: 1), "double_value: 1\n"), (Format(boolValue: true), "bool_value: true\n"),
      (Format(stringValue: "é\"\n\u{1}'"), "string_value: \"é\\\"\\n\\001\\'\"\n"),
      (Format(bytesValue: [0xc3, 0xa9, 0]), "bytes_value: \"\\303\\251\\000\"\n"),
      (Format(level: .high), "level: LEVEL_HIGH\n"), (Format(level: .unrecognized(9)), "level: 9\n"),
      (Format(int32List: [1, 2]), "int32_list: 1\nint32_list: 2\n"),
      (Format(format: Format(int32Value: 1)), "format {\n  int32_value: 1\n}\n"),
      (
        Format(stringMap: ["b": "", "a": "x"]),
        "string_map {\n  key: \"a\"\n  value: \"x\"\n}\nstring_map {\n  key: \"b\"\n  value: \"\"\n}\n"
      ),
      (
        Format(any: try! .init(packing: Stranger(name: "x"))),
        "any {\n  [type.googleapis.com/volery.formats.Stranger] {\n    name: \"x\"\n  }\n}\n"
      ),
      (Format(any: .init(typeURL: "t/no.One", value: [1])), "any {\n  type_url: \"t/no.One\"\n  value: \"\\001\"\n}\n"),
    ] as [(Format, String)])
  func forms(_ message: Format, _ text: String) {
    #expect(message.textFormat == text)
    #expect("\(message)" == text)
  }

  @Test("fields that nobody knows are there by their numbers, unless they are not wanted") func unknownFields() throws {
    // 200: varint 5, fixed32 1, fixed64 1, "!éh", a message {1: 2}, a group {1: 2}.
    let bytes: [UInt8] =
      [0xc0, 12, 5, 0xc5, 12, 1, 0, 0, 0, 0xc1, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0xc2, 12, 4, 0x21, 0xc3, 0xa9, 0x68]
      + [0xc2, 12, 2, 8, 2, 0xc3, 12, 8, 2, 0xc4, 12]
    let message = try Format(decoding: [8, 1] + bytes)
    #expect(
      message.textFormat == """
        int32_value: 1
        200: 5
        200: 0x00000001
        200: 0x0000000000000001
        200: "!\\303\\251h"
        200 {
          1: 2
        }
        200 {
          1: 2
        }

        """)
    var options = TextFormatOptions()
    options.includesUnknownFields = false
    #expect(message.textFormat(options: options) == "int32_value: 1\n")
  }

  @Test("what an Any holds is written as if it had been read first: no zeros without presence, the last of a oneof")
  func formOfAny() throws {
    var message = Format()
    message.any = .init(typeURL: "t/google.protobuf.Duration", value: [8, 0, 0x10, 0, 0x10, 2])
    message.value = .init()
    #expect(message.textFormat == "any {\n  [t/google.protobuf.Duration] {\n    nanos: 2\n  }\n}\nvalue {\n}\n")
    // A Value: bool_value, then null_value: presence by the oneof.
    message = Format()
    message.any = .init(typeURL: "t/google.protobuf.Value", value: [0x20, 1, 0x08, 0])
    #expect(message.textFormat == "any {\n  [t/google.protobuf.Value] {\n    null_value: NULL_VALUE\n  }\n}\n")
  }

  @Test("fields that nobody knows are seen inside of an Any, too") func unknownFieldsInAny() {
    var message = Format()
    message.any = .init(typeURL: "t/google.protobuf.Duration", value: [8, 1, 0x28, 2])
    #expect(message.textFormat == "any {\n  [t/google.protobuf.Duration] {\n    seconds: 1\n    5: 2\n  }\n}\n")
  }
}
