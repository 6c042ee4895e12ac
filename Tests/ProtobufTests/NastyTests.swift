import TestMessages
import Testing
import VoleryProtobuf

import struct NastyMessages.Holder
import struct NastyMessages.Nasty
import struct NastyMessages.Small

/// That NastyMessages compiles is most of the test.
@Suite("Awkward names", .timeLimit(.minutes(1))) struct NastyTests {
  @Test("fields that differ in underscores only have names of their own, which later fields do not change")
  func underscores() throws {
    let message = Underscores(
      fooBar: 1, fooBar_22: 2, fooBar_23: 3, fooBar_21: 4, fooBarOrDefault: 5, fooBar_p: .aB_p(6))
    #expect(try Underscores(decoding: message.encoded()) == message)
    #expect(message.fooBar_21OrDefault == 4)
    #expect(Underscores().fooBar_23OrDefault == 5)
    #expect(try Underscores(fooBar: 1).encoded() == [0xa0, 1, 1])
  }

  @Test("messages with the names of Swift's types work") func swiftNames() throws {
    let message = Nasty.with {
      $0.bool = Nasty.Bool(bool: true)
      $0.string = Nasty.String(string: "s")
      $0.type = Nasty.Type_p(type: 1)
      $0.dictionary = Nasty.Dictionary(dictionary: ["": Nasty.Int32(int32: 1)])
      $0.error_p = .again(Nasty.Nasty())
    }
    #expect(try Nasty(decoding: message.encoded()) == message)
  }

  @Test("deprecated fields and values are coded like the others") func deprecated() throws {
    #expect(try Small(decoding: [8, 1, 18, 1, 65]).encoded() == [8, 1, 18, 1, 65])
    #expect(Nasty.Error(rawValue: 9).rawValue == 9)
  }

  @Test("a nested type hides no other of its name") func hidden() throws {
    let bytes: [UInt8] = [0x12, 2, 8, 5]
    #expect(try Holder(decoding: bytes).other?.code == 5)
    #expect(Holder().own == Holder.Status.unknown)
  }
}
