import TestMessages
import Testing
import Volery

@Suite("JSON", .timeLimit(.minutes(2))) struct JSONTests {
  /// Where Python is another: it reads with its own float() and int(), and takes what is empty for an object.
  static let differences: Set<String> = [
    #"{"floatValue":"inf"}"#, #"{"floatValue":3.4028235e38}"#, #"{"level":1.5}"#, #"{"level":true}"#,
    #"{"int32Value":1,"int32_value":2}"#, #"{"format":[]}"#, #"{"doubleValue":-0.0}"#,
  ]

  @Test(
    "what another implementation reads is read the same, and what it refuses is refused", .enabled(if: Arbiter.isThere))
  func reading() throws {
    let answers = try Arbiter.ask(JSONCases.all.map { (.fromJSON, Array($0.utf8)) })
    for (text, answer) in zip(JSONCases.all, answers) where !Self.differences.contains(text) {
      let mine = Result { try Format(jsonString: text) }
      switch (mine, answer) {
      case (.success(let mine), let answer?):
        let theirs = try Format(decoding: answer)
        #expect(mine.description == theirs.description, "\(text)")
      case (.failure, nil): break
      case (.success(let mine), nil): Issue.record("\(text) is refused by the arbiter, and read here as \(mine)")
      case (.failure(let error), _?): Issue.record("\(text) is read by the arbiter, and refused here: \(error)")
      }
    }
  }

  @Test(
    "what is written is read back the same by another implementation, and the other way round",
    .enabled(if: Arbiter.isThere))
  func writing() throws {
    var random = SeededRandom(seed: 1)
    let messages =
      (0..<300).map { _ in Format.random(&random, depth: 0) }
      + JSONCases.all.filter { !Self.differences.contains($0) }.compactMap { try? Format(jsonString: $0) }
    let options = JSONEncodingOptions()
    let texts = try messages.map { try $0.jsonUTF8Bytes(options: options) }
    let read = try Arbiter.ask(texts.map { (.fromJSON, $0) })
    let written = try Arbiter.ask(messages.map { (.toJSON, try $0.encoded()) })
    for (index, message) in messages.enumerated() {
      let text = String(decoding: texts[index], as: UTF8.self)
      let bytes = try #require(read[index], "the arbiter refuses \(text)")
      #expect(try Format(decoding: bytes).description == message.description, "\(text)")
      let theirs = String(decoding: try #require(written[index], "the arbiter can't write \(message)"), as: UTF8.self)
      #expect(try Format(jsonString: theirs).description == message.description, "\(theirs)")
    }
  }

  @Test(
    "the canonical forms",
    arguments: [
      (Format(), "{}"), (Format(int64Value: -5), #"{"int64Value":"-5"}"#),
      (Format(doubleValue: 1), #"{"doubleValue":1}"#),
      (Format(doubleValue: 1e21), #"{"doubleValue":1e+21}"#), (Format(floatValue: 0.1), #"{"floatValue":0.1}"#),
      (Format(doubleValue: .nan), #"{"doubleValue":"NaN"}"#), (Format(doubleValue: -0.0), #"{"doubleValue":-0}"#),
      (Format(level: .high), #"{"level":"LEVEL_HIGH"}"#), (Format(level: .unrecognized(9)), #"{"level":9}"#),
      (Format(bytesValue: [255, 254]), #"{"bytesValue":"//4="}"#),
      (Format(stringValue: "\"\\\n\u{1}é"), #"{"stringValue":"\"\\\n\u0001é"}"#),
      (Format(formatMap: [2: Format(), -1: Format()]), #"{"formatMap":{"-1":{},"2":{}}}"#),
      (Format(maybeInt32: 0), #"{"maybeInt32":0}"#), (Format(choice: .choiceUint32(0)), #"{"choiceUint32":0}"#),
      (Format(timestamp: .init(seconds: -1, nanos: 500_000_000)), #"{"timestamp":"1969-12-31T23:59:59.500Z"}"#),
      (Format(duration: .init(nanos: -1_000)), #"{"duration":"-0.000001s"}"#),
      (Format(mask: ["a.b_c", "d"]), #"{"mask":"a.bC,d"}"#),
      (Format(value: nil as Google_Protobuf_Value), #"{"value":null}"#),
      (Format(structure: ["b": [1, true], "a": nil]), #"{"structure":{"a":null,"b":[1,true]}}"#),
      (Format(int64Wrapper: 0), #"{"int64Wrapper":"0"}"#), (Format(empty: .init()), #"{"empty":{}}"#),
    ] as [(Format, String)])
  func canonical(_ message: Format, _ text: String) throws {
    #expect(try message.jsonString() == text)
    #expect(try Format(jsonString: text).description == message.description)
  }

  @Test("options: the .proto's names, defaults, numbers of enums") func encodingOptions() throws {
    var options = JSONEncodingOptions()
    options.usesProtoFieldNames = true
    options.writesEnumsAsNumbers = true
    #expect(try Format(int32Value: 1, level: .low).jsonString(options: options) == #"{"int32_value":1,"level":1}"#)
    options = JSONEncodingOptions()
    options.includesDefaultValues = true
    #expect(try Stranger().jsonString(options: options) == #"{"name":""}"#)
    let all = try Format().jsonString(options: options)
    for member in [
      #""int32Value":0"#, #""int64Value":"0""#, #""level":"LEVEL_UNSPECIFIED""#, #""int32List":[]"#, #""stringMap":{}"#,
      #""bytesValue":"""#,
    ] { #expect(all.contains(member), "\(member)") }
    for member in [#""maybeInt32""#, #""choiceString""#, #""timestamp""#, #""format""#] {
      #expect(!all.contains(member), "\(member)")
    }
    #expect(try Format(jsonString: all) == Format())
  }

  @Test(
    "unknown members and enum names are passed over where the options say so",
    arguments: [
      (#"{"nobody":{"a":[1,{"b":null}]},"int32Value":1}"#, #"{"int32Value":1}"#), (#"{"level":"LEVEL_NONE"}"#, "{}"),
      (#"{"levelList":["LEVEL_LOW","LEVEL_NONE",2]}"#, #"{"levelList":["LEVEL_LOW","LEVEL_HIGH"]}"#),
      (#"{"levelMap":{"true":"LEVEL_NONE","false":2}}"#, #"{"levelMap":{"false":"LEVEL_HIGH"}}"#),
    ])
  func ignoring(_ text: String, _ kept: String) throws {
    #expect(throws: MessageTextError.self) { try Format(jsonString: text) }
    var options = JSONDecodingOptions()
    options.ignoresUnknownFields = true
    #expect(try Format(jsonString: text, options: options).jsonString() == kept)
    #expect(throws: MessageTextError.self) { try Format(jsonString: #"{"nobody":[1,}"#, options: options) }
  }

  @Test("an Any of a type that nobody links needs the registry") func registry() throws {
    let any = try Google_Protobuf_Any(packing: Lonely(number: 5))
    #expect(throws: MessageTextError.self) { try any.jsonString() }
    var options = JSONEncodingOptions()
    options.types = TypeRegistry([Lonely.self])
    let text = try any.jsonString(options: options)
    #expect(text == #"{"@type":"type.googleapis.com/\#(Lonely.messageName)","number":5}"#)
    var reading = JSONDecodingOptions()
    #expect(throws: MessageTextError.self) { try Google_Protobuf_Any(jsonString: text, options: reading) }
    reading.types = options.types
    #expect(try Google_Protobuf_Any(jsonString: text, options: reading) == any)
  }

  @Test(
    "what JSON can't hold is an error when it is written",
    arguments: [
      Format(timestamp: .init(seconds: 253_402_300_800)), Format(timestamp: .init(nanos: -1)),
      Format(timestamp: .init(nanos: 1_000_000_000)), Format(duration: .init(seconds: 315_576_000_001)),
      Format(duration: .init(seconds: 1, nanos: -1)), Format(mask: ["aB"]), Format(mask: ["a__b"]),
      Format(mask: ["a_1"]),
      Format(value: .init(.nan)), Format(value: .init()), Format(any: .init(typeURL: "x/y.Z")),
      Format(any: .init(value: [1])),
    ])
  func unwritable(_ message: Format) {
    #expect(throws: MessageTextError.self) { try message.jsonString() }
  }

  @Test("a number has ASCII digits, and a sign only where JSON has one", arguments: JSONCases.malformedDigits)
  func malformedDigits(_ text: String) {
    #expect(throws: MessageTextError.self) { try Format(jsonString: text) }
  }

  @Test(
    "nesting beyond the limit is an error, whatever the depth and whatever is nested",
    arguments: [101, 10_000, 300_000],
    [(#"{"format":"#, "}"), (#"{"list":"#, "["), (#"{"unknown":"#, "["), (#"{"value":[{"a":"#, "}")])
  func nesting(_ depth: Int, _ parts: (String, String)) {
    var options = JSONDecodingOptions()
    options.ignoresUnknownFields = true
    let text =
      String(repeating: parts.0, count: parts.1 == "[" ? 1 : depth)
      + String(repeating: parts.1 == "[" ? "[" : "", count: depth)
    #expect(throws: MessageTextError.self) { try Format(jsonString: text, options: options) }
    let any = String(repeating: #"{"any":{"@type":"t/volery.formats.Format","any":"#, count: depth)
    #expect(throws: MessageTextError.self) { try Format(jsonString: any) }
  }

  @Test("Any within Any with the type behind takes time in proportion") func anyIsLinear() throws {
    func seconds(_ size: Int) throws -> Double {
      var text =
        #"{"stringList":[\#(Array(repeating: #""x""#, count: size).joined(separator: ","))],"@type":"t/volery.formats.Format"}"#
      for _ in 0..<45 { text = #"{"any":\#(text),"@type":"t/volery.formats.Format"}"# }
      let clock = ContinuousClock()
      return try clock.measure { _ = try Format(jsonString: #"{"any":\#(text)}"#) } / .seconds(1)
    }
    let small = try seconds(2_000)
    let large = try seconds(20_000)
    #expect(large < 60 * small + 0.5, "10 times the text took \(large / small) times as long")
  }

  /// Whether it is read. If so it can be written, and that is read as the same; if not, the error says why.
  private func isRead(_ text: [UInt8]) throws -> Bool {
    let message: Format
    do { message = try Format(jsonUTF8Bytes: text) } catch {
      #expect(!error.description.isEmpty, "\(String(decoding: text, as: UTF8.self))")
      return false
    }
    let written = try message.jsonUTF8Bytes()
    let again = try Format(jsonUTF8Bytes: written)
    // Not a number is unequal to itself.
    #expect(try again == message || again.jsonUTF8Bytes() == written, "\(String(decoding: written, as: UTF8.self))")
    return true
  }

  @Test("a prefix of a text is refused, and a text with a byte changed is a message or refused")
  func mutation() throws {
    var random = SeededRandom(seed: 2)
    var (read, refused) = (0, 0)
    for _ in 0..<3 {
      var text = try Format.random(&random, depth: 2).jsonUTF8Bytes()
      for count in text.indices {
        #expect(throws: MessageTextError.self) { try Format(jsonUTF8Bytes: Array(text[..<count])) }
      }
      for index in text.indices {
        let kept = text[index]
        for byte: UInt8 in [0x22, 0x5c, 0x7b, 0x5d, 0x2c, 0xff, kept ^ 1] {
          text[index] = byte
          if try isRead(text) { read += 1 } else { refused += 1 }
        }
        text[index] = kept
      }
    }
    #expect(read > 0 && refused > 0, "\(read) were read, \(refused) refused: both ways have to be gone")
  }
}
