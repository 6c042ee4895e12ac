import Testing
import VoleryPrimitives

@Suite("Text of strangers") struct ForeignTextTests {
  @Test("what could begin a line, steer a terminal or end a quotation is escaped")
  func escaped() {
    let cases = [
      ("orders", "orders"),
      ("Größe ☺ 😈", "Größe ☺ 😈"),
      ("a\nb\r\n\tc", "a\\nb\\r\\n\\tc"),
      ("\u{1b}[31mred\u{0}\u{7f}", "\\u{1b}[31mred\\u{0}\\u{7f}"),
      // NEL, CSI, the line separator, an override of the direction, a byte order mark.
      ("\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{feff}", "\\u{85}\\u{9b}\\u{2028}\\u{2029}\\u{202e}\\u{feff}"),
      ("\"; and \\", "\\\"; and \\\\"),
      ("", ""),
    ]
    for (text, expected) in cases { #expect(String(foreign: text) == expected) }
    #expect(String(line: "it is \"\\n\"\n\u{1b}") == "it is \"\\n\"\\n\\u{1b}")
  }

  @Test("it is cut, whatever it consists of", arguments: ["a", "😈", "e\u{301}", "\u{301}", "\n"])
  func cut(_ piece: String) {
    let text = String(foreign: String(repeating: piece, count: 10_000))
    #expect(text.hasSuffix("…"))
    #expect(text.unicodeScalars.count <= 401)
    #expect(String(foreign: String(repeating: "a", count: 200)) == String(repeating: "a", count: 200))
    #expect(String(line: String(repeating: piece, count: 100_000)).unicodeScalars.count <= 4001)
  }

  @Test("bytes that are no UTF-8 are readable all the same") func garbage() {
    let text = String(foreign: String(decoding: [0xff, 0x0a, 0xc3, 0x28, 0x80] as [UInt8], as: UTF8.self))
    #expect(text == "\u{fffd}\\n\u{fffd}(\u{fffd}")
  }
}
