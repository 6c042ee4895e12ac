import Testing

@testable import VoleryHTTP2Transport

@Suite("Cutting messages out of a stream") struct MessageDeframerTests {
  private func framed(_ message: [UInt8], flag: UInt8 = 0) -> [UInt8] {
    [flag] + withUnsafeBytes(of: UInt32(message.count).bigEndian, Array.init) + message
  }

  /// What comes out, piece by piece; `look` after each piece with what has arrived of a message that is not complete.
  private func cut(
    _ bytes: [UInt8], into pieces: Int, limit: Int = 8 << 20,
    _ look: (MessageDeframer, _ fed: Int) -> Void = { _, _ in }
  ) throws -> [[UInt8]] {
    var deframer = MessageDeframer(limit: limit)
    var messages: [[UInt8]] = []
    for start in stride(from: 0, to: bytes.count, by: pieces) {
      let end = min(start + pieces, bytes.count)
      try bytes[start..<end].withUnsafeBytes { try deframer.receive($0) { message, _ in messages.append(message) } }
      look(deframer, end)
    }
    #expect(deframer.isAtBoundary)
    return messages
  }

  @Test("however the bytes come, the messages are the same", arguments: [1, 3, 5, 6, 4096, 16384, 1 << 20])
  func pieces(_ size: Int) throws {
    let messages = [0, 1, 4, 5, 20_000, 131_072, 300_001].map { count in
      (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    }
    #expect(try cut(messages.flatMap { framed($0) }, into: size) == messages)
  }

  @Test("five bytes that announce 4 MiB take no memory") func announcement() throws {
    var deframer = MessageDeframer(limit: 4 << 20)
    try ([0, 0, 0x40, 0, 0] as [UInt8]).withUnsafeBytes { try deframer.receive($0) { _, _ in } }
    #expect(deframer.reservedByteCount == 0)
    #expect(deframer.missingByteCount == 4 << 20)
  }

  @Test("memory grows with what has arrived", arguments: [1000, 16384])
  func growth(_ size: Int) throws {
    let message = [UInt8](repeating: 1, count: 4 << 20)
    var growths = 0
    var reserved = 0
    _ = try cut(framed(message), into: size) { deframer, fed in
      // malloc rounds up.
      #expect(deframer.reservedByteCount <= MessageDeframer.growth * fed + 4096)
      if deframer.reservedByteCount > reserved { growths += 1 }
      reserved = deframer.reservedByteCount
    }
    #expect(growths <= 5, "each growth copies what is there")
  }

  @Test("what is let go of is gone, and the next message is read as the first") func discard() throws {
    var deframer = MessageDeframer(limit: 4 << 20)
    try framed([UInt8](repeating: 1, count: 100_000)).prefix(50_000).withUnsafeBytes {
      try deframer.receive($0) { _, _ in }
    }
    #expect(deframer.reservedByteCount >= 49_995)
    deframer.discard()
    #expect(deframer.reservedByteCount == 0)
    #expect(deframer.isAtBoundary)
    var messages: [[UInt8]] = []
    try framed([1, 2]).withUnsafeBytes { try deframer.receive($0) { message, _ in messages.append(message) } }
    #expect(messages == [[1, 2]])
  }
}
