import TestMessages
import Testing
import Volery

@Suite("Reading text format", .timeLimit(.minutes(2))) struct TextFormatReadingTests {
  static let cases = [
    "", " # nothing\n", "int32_value: 1", "int32_value : -1;", "int32_value: 0x1F, int64_value: 017",

    "int32_value: 2147483648", "int32_value: -2147483648", "int32_value: 1.0", "int32_value: \"1\"", "int32_value 1",
    "int32_value: 1 int32_value: 2", "int32Value: 1", "nobody: 1", "uint32_value: -1",
    "uint64_value: 18446744073709551615",
    "sint32_value: -7 sint64_value: -8 fixed32_value: 9 fixed64_value: 10 sfixed32_value: -11 sfixed64_value: -12",
    "float_value: 1.5f", "float_value: inf", "float_value: -Infinity", "float_value: nan", "float_value: 3",
    "double_value: .5",
    "double_value: 5.", "double_value: 1e-3", "double_value: -1E+3", "double_value: x", "double_value: 1e",
    "bool_value: true",
    "bool_value: t", "bool_value: True", "bool_value: 1", "bool_value: 2", "bool_value: TRUE", "bool_value: false",
    "string_value: \"a\" 'b' \"c\"", "string_value: \"\\n\\x41\\101\\'\\\"\"",
    "string_value: \"a\nb\"",
    "string_value: \"\\xff\"", "bytes_value: \"\\xff\\377\\0\"", "string_value: \"a",
    "string_value: a",
    "string_value: \"\\ud83d\"", "bytes_value: \"grüße\"",
    "level: LEVEL_LOW", "level: 2", "level: -1", "level: LEVEL_NONE", "level: 77", "format { int32_value: 1 }",
    "format: { int32_value: 1 }", "format < int32_value: 1 >", "format { int32_value: 1 >", "format {", "format }",
    "format: 1",
    "int32_list: 1 int32_list: 2", "int32_list: [1, 2]", "int32_list: []", "int32_list: [1, 2", "int32_list: [1,]",
    "format_list { } format_list: { }", "format_list: [{}, <>]", "string_list: ['a', \"b\" 'c']", "string_value: ['a']",
    "string_map { key: 'a' value: 'b' }", "string_map { key: 'a' }", "string_map { }",
    "format_map { key: 1 value { int32_value: 2 } }",
    "string_map: [{ key: 'a' value: 'b' }, { key: 'c' }]", "choice_string: 'a' choice_uint32: 1", "choice_uint32: 0",
    "maybe_int32: 0", "any { type_url: 't/x.Y' value: '\\001' }",
    "any { [type.googleapis.com/volery.formats.Stranger] { name: 'x' } }",
    "any { [t/volery.formats.Nobody] { } }", "any { [t/volery.formats.Stranger] { nobody: 1 } }",
    "timestamp { seconds: 1 nanos: 2 }",
    "value { number_value: 1.5 }", "int32_wrapper { value: 0 }", "[volery.formats.nobody]: 1", "int32_value: 1 }",
  ]

  @Test(
    "what another implementation reads is read the same, and what it refuses is refused", .enabled(if: Arbiter.isThere))
  func reading() throws {
    let answers = try Arbiter.ask(Self.cases.map { (.fromText, Array($0.utf8)) })
    for (text, answer) in zip(Self.cases, answers) {
      let mine = Result { try Format(textFormat: text) }
      switch (mine, answer) {
      case (.success(let mine), let answer?):
        #expect(try Format(decoding: answer).description == mine.description, "\(text)")
      case (.failure, nil): break
      case (.success(let mine), nil): Issue.record("\(text) is refused by the arbiter, and read here as \(mine)")
      case (.failure(let error), _?): Issue.record("\(text) is read by the arbiter, and refused here: \(error)")
      }
    }
  }

  @Test("what is written is read back the same") func roundTrip() throws {
    var random = SeededRandom(seed: 4)
    for _ in 0..<100 {
      let message = Format.random(&random, depth: 0)
      #expect(try Format(textFormat: message.textFormat).description == message.description)
    }
  }

  @Test("nesting beyond the limit is an error", arguments: [101, 300_000]) func nesting(_ depth: Int) {
    #expect(throws: MessageTextError.self) { try Format(textFormat: String(repeating: "format {", count: depth)) }
  }

  /// Whether it is read. If so what is written of it is read as the same; if not, the error says why.
  private func isRead(_ bytes: some Sequence<UInt8>) throws -> Bool {
    let text = String(decoding: Array(bytes), as: UTF8.self)
    let message: Format
    do { message = try Format(textFormat: text) } catch {
      #expect(!error.description.isEmpty, "\(text)")
      return false
    }
    let written = message.textFormat
    let again = try Format(textFormat: written)
    // Not a number is unequal to itself.
    #expect(again == message || again.textFormat == written, "\(written)")
    return true
  }

  @Test("a prefix of a text, and a text with a byte changed, is a message that can be written, or refused")
  func mutation() throws {
    var random = SeededRandom(seed: 5)
    var (read, refused) = (0, 0)
    for _ in 0..<3 {
      var text = Array(Format.random(&random, depth: 2).textFormat.utf8)
      for index in text.indices {
        if try isRead(text[..<index]) { read += 1 } else { refused += 1 }
        let kept = text[index]
        for byte: UInt8 in [0x22, 0x5c, 0x7b, 0x5b, 0x2d, kept ^ 1] {
          text[index] = byte
          if try isRead(text) { read += 1 } else { refused += 1 }
        }
        text[index] = kept
      }
    }
    #expect(read > 0 && refused > 0, "\(read) were read, \(refused) refused: both ways have to be gone")
  }
}
