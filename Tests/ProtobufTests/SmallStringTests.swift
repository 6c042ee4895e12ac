import TestMessages
import Testing
import VoleryProtobuf

/// Strings of up to 15 bytes, which are read and written as the words that they are (SmallString): nobody should notice.
@Suite("Small strings", .timeLimit(.minutes(1))) struct SmallStringTests {
  /// Of every length around the border, of ASCII with and without zeros, and of letters with two, three and four bytes.
  private static let texts: [String] = (0...18).flatMap(texts)

  private static func texts(_ count: Int) -> [String] {
    var texts = [
      String(decoding: (0..<count).map { UInt8(0x21 + 5 * $0 % 90) }, as: UTF8.self),
      String(decoding: (0..<count).map { UInt8($0 % 2 * 0x7f) }, as: UTF8.self),
    ]
    let ascii = texts[0]
    for letter in ["é", "€", "🜚"] {
      texts += [letter + ascii, ascii + letter]
      texts.append(String(ascii.prefix(3)) + letter + ascii)
    }
    return texts
  }

  @Test("the standard library lays them out as it is taken for granted") func layout() throws {
    #expect(try Everything(decoding: [0x72, 1, 0x61]).stringValue == "a")
    #expect(SmallString.isLayoutKnown == (Int.bitWidth == 64 && UInt16(1).littleEndian == 1))
  }

  @Test("they are written as their bytes, and read as the same strings", arguments: texts)
  func bothWays(_ text: String) throws {
    let message = Everything.with { $0.stringList = [text, "", text] }
    let utf8 = Array(text.utf8)
    let bytes = try message.encoded()
    let field = [0xa2, 0x02, UInt8(utf8.count)] + utf8
    #expect(bytes == field + [0xa2, 0x02, 0] + field)
    let read = try Everything(decoding: bytes)
    #expect(read == message && read.hashValue == message.hashValue)
    let same = read.stringList[0]
    #expect(Array(same.utf8) == utf8 && same.utf16.elementsEqual(text.utf16) && same.count == text.count)
    #expect(same + "x" == text + "x" && same < text + "x" && [same: 1][text] == 1)
  }

  @Test("a byte that makes no text is an error wherever it stands", arguments: 1...18)
  func invalid(_ count: Int) {
    for place in 0..<count {
      for byte: UInt8 in [0x80, 0xc3, 0xff] {
        var utf8 = [UInt8](repeating: 0x61, count: count)
        utf8[place] = byte
        #expect(throws: ProtobufError.invalidUTF8) { try Everything(decoding: [0x72, UInt8(count)] + utf8) }
      }
    }
  }
}
