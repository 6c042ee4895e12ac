import Testing
import VoleryProtobuf

/// What the encoder takes for granted of the standard library's arrays and strings.
@Suite("Storage that is lent") struct BorrowedStorageTests {
  /// Holds a value as a message does.
  struct Holder {
    var bytes: [UInt8]
    var numbers: [Double]
    var text: String
  }

  @Test("an array's elements stay where they are while somebody has it", arguments: [1, 7, 64, 5000, 1 << 20])
  func arrays(_ count: Int) {
    let holder = Holder(
      bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0) }, numbers: (0..<count).map(Double.init), text: "")
    let bytes = BorrowedStorage.start(of: holder.bytes)
    let numbers = BorrowedStorage.start(of: holder.numbers)
    let copy = holder
    let all = (0..<100).map { _ in copy }
    #expect(all.allSatisfy { BorrowedStorage.start(of: $0.bytes) == bytes })
    #expect(all.allSatisfy { BorrowedStorage.start(of: $0.numbers) == numbers })
    withExtendedLifetime(holder) {
      #expect((0..<count).allSatisfy { bytes?[$0] == UInt8(truncatingIfNeeded: $0) && numbers?[$0] == Double($0) })
    }
    var own = all[0].bytes
    own[0] = 1
    #expect(BorrowedStorage.start(of: own) != bytes, "who changes it has a storage of his own")
  }

  @Test("a long string's bytes stay where they are", arguments: [16, 17, 100, 1 << 20]) func strings(_ count: Int)
    throws
  {
    let holder = Holder(bytes: [], numbers: [], text: String(repeating: "é", count: count / 2) + "x")
    let bytes = try #require(BorrowedStorage.bytes(of: holder.text))
    let all = (0..<100).map { _ in holder }
    #expect(all.allSatisfy { BorrowedStorage.bytes(of: $0.text)?.baseAddress == bytes.baseAddress })
    withExtendedLifetime(holder) { #expect(bytes.elementsEqual(holder.text.utf8)) }
  }
}
