import Foundation
import Testing
import VoleryProtobuf

@Suite("Messages of editions", .timeLimit(.minutes(1))) struct EditionsTests {
  @Test("presence is as the feature says") func presence() throws {
    #expect(try EditionMessage(implicit: 0, explicit: 0, needed: 0).encoded() == [0x10, 0, 0x18, 0])
    #expect(throws: ProtobufError.missingRequired(field: "volery.tests.editions.Message.needed")) {
      try EditionMessage().encoded()
    }
  }

  @Test("repeated fields are packed or expanded, messages delimited or prefixed") func encodings() throws {
    let inner = EditionMessage.Inner(text: "A")
    func check(_ expected: [UInt8], _ set: (inout EditionMessage) -> Void) throws {
      let bytes = try EditionMessage.with(set).encoded(options: EncodeOptions(allowsPartial: true))
      #expect(bytes == expected)
    }
    try check([0x22, 2, 1, 2]) { $0.packed = [1, 2] }
    try check([0x28, 1, 0x28, 2]) { $0.expanded = [1, 2] }
    try check([0x33, 0x0a, 1, 65, 0x34]) { $0.delimited = inner }
    try check([0x3b, 0x0a, 1, 65, 0x3c, 0x3b, 0x0a, 1, 65, 0x3c]) { $0.several = [inner, inner] }
    try check([0x42, 3, 0x0a, 1, 65]) { $0.prefixed = inner }
    try check([0x6b, 0x0a, 1, 65, 0x6c]) { $0.choice = .chosen(inner) }
    try check([0x62, 7, 0x08, 2, 0x12, 3, 0x0a, 1, 65]) { $0.byNumber = [2: inner] }
    try check([0x7a, 2, 1, 2]) { $0.closedList = [.one, .two] }
  }

  @Test("enums are open or closed") func enums() throws {
    let options = DecodeOptions(allowsPartial: true)
    let message = try EditionMessage(decoding: [0x50, 9, 0x58, 9], options: options)
    #expect(message.closed == nil)
    #expect(message.unknownFields.bytes == [0x50, 9])
    #expect(message.open == .unrecognized(9))
  }

  /// A CodeGeneratorRequest of one file with one message, which has the features.
  static func request(edition: UInt8 = 0xe8, features: [UInt8]) -> Data {
    func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(content.count)] + content }
    let options: [UInt8] = [0x92, 3, UInt8(features.count)] + features
    let file =
      field(1, Array("a.proto".utf8)) + field(4, field(1, Array("M".utf8))) + field(8, options)
      + field(12, Array("editions".utf8)) + [0x70, edition, 7]
    return Data(field(1, Array("a.proto".utf8)) + [0x7a, UInt8(file.count)] + file)
  }

  @Test(
    "a feature that Swift can't follow, and an edition that is not known, is an error that names it",
    arguments: [
      (request(features: [0x08, 9]), "features.field_presence = 9"), (request(features: [0x10, 9]), "enum_type = 9"),
      (request(features: [0x18, 9]), "repeated_field_encoding = 9"),
      (request(features: [0x20, 9]), "utf8_validation = 9"), (request(features: [0x28, 9]), "message_encoding = 9"),
      (request(features: [0x30, 9]), "json_format = 9"), (request(features: [0x48, 1]), "features.number 9"),
      (request(edition: 0xea, features: []), "edition of number 1002 is not supported; 2023 and 2024 are"),
    ])
  func unsupported(_ request: Data, _ text: String) throws {
    let answer = try GeneratedCodeTests.answer(request)
    #expect(answer.contains(text))
    #expect(answer.contains("a.proto"))
  }

  @Test("edition 2024: presence, open enums and packed fields, whatever is exported") func later() throws {
    let message = LaterMessage(
      explicit: 0, implicit: 0, delimited: .init(text: "A"), open: .unrecognized(9), packed: [1, 2])
    #expect(try message.encoded() == [8, 0, 0x20, 9, 0x32, 2, 1, 2, 0x1b, 0x0a, 1, 65, 0x1c])
    #expect(try LaterMessage(decoding: message.encoded()) == message)
    #expect(try message.jsonString() == #"{"Explicit":0,"delimited":{"text":"A"},"open":9,"packed":[1,2]}"#)
  }

  @Test("edition 2024 is as 2023, and its rules for the source are passed over", arguments: [0xe8, 0xe9] as [UInt8])
  func edition2024(_ edition: UInt8) throws {
    // enforce_naming_style and default_symbol_visibility.
    let answer = try GeneratedCodeTests.answer(Self.request(edition: edition, features: [0x38, 1, 0x40, 1]))
    #expect(answer.contains("struct M"))
    let plain = try GeneratedCodeTests.answer(Self.request(edition: edition, features: []))
    #expect(
      answer.split(separator: "fileDescriptor:").last == plain.split(separator: "fileDescriptor:").last,
      "nothing of them is in the descriptor")
  }

  @Test("the plugin says that it takes the features of other languages") func otherLanguages() throws {
    // 1000 is C++.
    let answer = try GeneratedCodeTests.answer(Self.request(features: [0xc2, 0x3e, 0]))
    #expect(answer.contains("struct M"))
  }
}
