/// XXH64, as specified with the xxHash library: a fast hash whose value is the same everywhere, and no secret.
package enum XXHash64 {
  private static let prime1: UInt64 = 0x9e37_79b1_85eb_ca87
  private static let prime2: UInt64 = 0xc2b2_ae3d_27d4_eb4f
  private static let prime3: UInt64 = 0x1656_67b1_9e37_79f9
  private static let prime4: UInt64 = 0x85eb_ca77_c2b2_ae63
  private static let prime5: UInt64 = 0x27d4_eb2f_1656_67c5

  package static func hash(_ text: String, seed: UInt64 = 0) -> UInt64 {
    var text = text
    return text.withUTF8 { hash(UnsafeRawBufferPointer($0), seed: seed) }
  }

  package static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    var offset = 0
    var result = bytes.count >= 32 ? stripes(bytes, seed: seed, &offset) : seed &+ prime5
    result = result &+ UInt64(bytes.count)
    while offset + 8 <= bytes.count {
      result ^= round(0, word(bytes, offset))
      result = rotated(result, 27) &* prime1 &+ prime4
      offset += 8
    }
    if offset + 4 <= bytes.count {
      let half = UInt64(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      result ^= half &* prime1
      result = rotated(result, 23) &* prime2 &+ prime3
      offset += 4
    }
    while offset < bytes.count {
      result ^= UInt64(bytes[offset]) &* prime5
      result = rotated(result, 11) &* prime1
      offset += 1
    }
    return avalanche(result)
  }

  /// 32 bytes at a time, as long as there are so many.
  private static func stripes(_ bytes: UnsafeRawBufferPointer, seed: UInt64, _ offset: inout Int) -> UInt64 {
    var (a, b, c, d) = (seed &+ prime1 &+ prime2, seed &+ prime2, seed, seed &- prime1)
    while offset + 32 <= bytes.count {
      a = round(a, word(bytes, offset))
      b = round(b, word(bytes, offset + 8))
      c = round(c, word(bytes, offset + 16))
      d = round(d, word(bytes, offset + 24))
      offset += 32
    }
    var result = rotated(a, 1) &+ rotated(b, 7) &+ rotated(c, 12) &+ rotated(d, 18)
    result = merged(result, a)
    result = merged(result, b)
    result = merged(result, c)
    return merged(result, d)
  }

  private static func merged(_ result: UInt64, _ lane: UInt64) -> UInt64 {
    (result ^ round(0, lane)) &* prime1 &+ prime4
  }

  private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  private static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 {
    rotated(lane &+ input &* prime2, 31) &* prime1
  }

  private static func rotated(_ value: UInt64, _ count: UInt64) -> UInt64 {
    value &<< count | value &>> (64 - count)
  }

  private static func avalanche(_ value: UInt64) -> UInt64 {
    var value = (value ^ value >> 33) &* prime2
    value = (value ^ value >> 29) &* prime3
    return value ^ value >> 32
  }
}
