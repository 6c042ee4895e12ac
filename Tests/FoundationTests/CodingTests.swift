import Foundation
import TestMessages
import Testing
import Volery
import VoleryFoundation

// One line makes a message Codable.
extension Format: Codable {}

@Suite("Messages and Codable") struct CodingTests {
  struct Cart: Codable, Hashable {
    var customer: String
    @ProtoJSON var format: Format
    var more: [ProtoJSON<Stranger>] = []
    var own: Format?
  }

  static let formats: [Format] = [
    Format(),
    Format(int32Value: -7, doubleValue: 0.1, boolValue: true, stringValue: "a\"\\\n\u{1}é🙂", bytesValue: [0, 255]),
    Format(int64Value: .max, uint64Value: .max, floatValue: 1.1, doubleValue: .greatestFiniteMagnitude),
    Format(
      doubleList: [.infinity, -.infinity, .leastNonzeroMagnitude, -0.0, 1e20, 3], levelList: [.high, .unrecognized(9)]),
    Format(
      format: Format(formatList: [Format(), Format(boolList: [true, false])]),
      formatMap: [3: Format(stringValue: "x")], timestamp: .init(seconds: 1, nanos: 5), duration: .init(seconds: -1)),
    Format(structure: ["a": 1, "b": [nil, true, "c", 1.5, [:]]], value: nil),
  ]

  @Test("a message in a type of one's own is protobuf's JSON there, both ways", arguments: formats)
  func both(_ format: Format) throws {
    let cart = Cart(customer: "ada", format: format, more: [ProtoJSON(Stranger(name: "eve"))], own: format)
    let data = try JSONEncoder().encode(cart)
    #expect(try JSONDecoder().decode(Cart.self, from: data) == cart)
    let object = try JSONValue(parsing: String(decoding: data, as: UTF8.self))
    for name in ["format", "own"] {
      #expect(try Format(jsonString: #require(object[name]).text) == format, "protobuf's own reader takes it")
    }
    // Another encoding has the same shape; property lists have no null.
    guard format.structure == nil else { return }
    #expect(try PropertyListDecoder().decode(Format.self, from: PropertyListEncoder().encode(format)) == format)
  }

  @Test("numbers of 64 bits keep their digits, as texts and as numbers") func wide() throws {
    let json = Data(
      #"{"int64Value": -9223372036854775807, "uint64Value": 18446744073709551615, "doubleValue": 1}"#.utf8)
    let format = try JSONDecoder().decode(Format.self, from: json)
    #expect(format.int64Value == -9_223_372_036_854_775_807 && format.uint64Value == .max && format.doubleValue == 1)
  }

  @Test("options come with the coder") func options() throws {
    let json = Data(#"{"nobody": 1}"#.utf8)
    let decoder = JSONDecoder()
    let error = #expect(throws: DecodingError.self) { try decoder.decode(Format.self, from: json) }
    #expect("\(try #require(error))".contains("nobody"))
    var lenient = JSONDecodingOptions()
    lenient.ignoresUnknownFields = true
    decoder.userInfo[.jsonDecodingOptions] = lenient
    #expect(try decoder.decode(Format.self, from: json) == Format())
    var plain = JSONEncodingOptions()
    plain.usesProtoFieldNames = true
    let encoder = JSONEncoder()
    encoder.userInfo[.jsonEncodingOptions] = plain
    #expect(String(decoding: try encoder.encode(Format(int32Value: 3)), as: UTF8.self) == #"{"int32_value":3}"#)
  }

  @Test(
    "what is no message is an error that says where",
    arguments: [
      #"{"format": 1}"#, #"{"format": {"int32Value": 1e99}}"#, #"{"format": {"format": {"level": "NONE"}}}"#,
      #"{"format": {"stringValue": null, "boolValue": "yes"}}"#, #"{"format": []}"#,
    ])
  func bad(_ json: String) throws {
    struct Box: Decodable { @ProtoJSON var format: Format }
    do {
      _ = try JSONDecoder().decode(Box.self, from: Data(json.utf8))
      Issue.record("\(json) is no message")
    } catch DecodingError.dataCorrupted(let context) {
      #expect(context.codingPath.first?.stringValue == "format")
      #expect(context.underlyingError is MessageTextError)
    }
  }

  @Test("what JSON can't say is an EncodingError, and depth has a limit") func limits() throws {
    let never = Format(timestamp: Google_Protobuf_Timestamp(seconds: .max))
    #expect(throws: EncodingError.self) { try JSONEncoder().encode(never) }
    var deep = Format()
    for _ in 0..<90 { deep = Format(format: deep) }
    #expect(try JSONDecoder().decode(Format.self, from: JSONEncoder().encode(deep)) == deep)
    let text = String(repeating: #"{"format":"#, count: 300) + "{}" + String(repeating: "}", count: 300)
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(Format.self, from: Data(text.utf8)) }
  }
}
