import Testing
import VoleryPrimitives

@Suite("Base64") struct Base64Tests {
  static func text(_ content: [UInt8], isPadded: Bool) -> String {
    var out = Array("x".utf8)
    content.withUnsafeBytes { Base64.append($0, to: &out, isPadded: isPadded) }
    return String(decoding: out.dropFirst(), as: UTF8.self)
  }

  static func read(_ text: String) -> [UInt8]? { Array(text.utf8).withUnsafeBytes(Base64.decode) }

  @Test(
    "RFC 4648's own examples, and with letters of either alphabet",
    arguments: [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
      ("foobar", "Zm9vYmFy"),
    ])
  func examples(_ content: String, _ text: String) {
    let bare = text.filter { $0 != "=" }
    #expect(Self.text(Array(content.utf8), isPadded: true) == text)
    #expect(Self.text(Array(content.utf8), isPadded: false) == bare)
    #expect(Self.read(text) == Array(content.utf8))
    #expect(Self.read(bare) == Array(content.utf8))
  }

  @Test("both alphabets are read, the first one is written") func alphabets() {
    #expect(Self.text([0xfb, 0xff, 0xbf], isPadded: true) == "+/+/")
    #expect(Self.read("+/+/") == [0xfb, 0xff, 0xbf])
    #expect(Self.read("-_-_") == [0xfb, 0xff, 0xbf])
  }

  @Test("every length and every byte comes back") func roundTrip() {
    for count in 0..<260 {
      let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + count) }
      for isPadded in [true, false] { #expect(Self.read(Self.text(content, isPadded: isPadded)) == content) }
    }
  }

  @Test(
    "what is not base64 is not read",
    arguments: [
      "A", "AAAAA", "=", "==", "===", "====", "A=", "A==", "A===", "AA=", "AAA==", "AA===", "AAAA=", "AAAA====",
      "AA=A", "A=AA", "=AAA", "AA==AAAA", "AA A", "AA\nA", "AA.A", "ÄÄ", "AA\0A",
    ])
  func refused(_ text: String) {
    #expect(Self.read(text) == nil)
  }
}
