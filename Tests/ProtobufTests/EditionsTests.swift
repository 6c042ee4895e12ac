import Foundation
import Testing
import VoleryProtobuf

@Suite("Messages of edition 2023", .timeLimit(.minutes(1))) struct EditionsTests {
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
      (request(features: [0x30, 9]), "json_format = 9"), (request(features: [0x38, 1]), "enforce_naming_style"),
      (request(features: [0x40, 1]), "default_symbol_visibility"),
      (request(edition: 0xe9, features: []), "edition 2024"),
    ])
  func unsupported(_ request: Data, _ text: String) throws {
    let answer = try GeneratedCodeTests.answer(request)
    #expect(answer.contains(text))
    #expect(answer.contains("a.proto"))
  }

  @Test("the plugin says that it takes the features of other languages") func otherLanguages() throws {
    // 1000 is C++.
    let answer = try GeneratedCodeTests.answer(Self.request(features: [0xc2, 0x3e, 0]))
    #expect(answer.contains("struct M"))
  }
}
