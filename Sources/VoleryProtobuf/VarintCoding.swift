import CProtobufC

/// Lists of varints (protobuf.dev, Encoding: Base 128 Varints), eight bytes at a time: a varint of up to 56 bits is spread
/// over its bytes, or gathered from them, in three steps without a branch.
enum VarintCoding {
  private static let continuationBits: UInt64 = 0x8080_8080_8080_8080
  private static let largestByteCount = 10
  private static let wordByteCount = 8

  /// One varint, and where it ends. Throws where it has more than 10 bytes or does not end.
  @inline(never) static func read(
    _ start: UnsafeRawPointer, _ end: UnsafeRawPointer
  ) throws(ProtobufError) -> (UInt64, UnsafeRawPointer) {
    if end - start >= wordByteCount {
      let word = UInt64(littleEndian: start.loadUnaligned(as: UInt64.self))
      let stops = ~word & continuationBits
      if stops != 0 {
        return (gathered(word & (stops ^ (stops &- 1))), start + byteCount(toStop: stops))
      }
    }
    var next = start
    guard let value = readByBytes(&next, end) else { throw .malformed }
    return (value, next)
  }

  static func zigzag32(_ varint: UInt64) -> UInt32 {
    let value = UInt32(truncatingIfNeeded: varint)
    return value >> 1 ^ (0 &- (value & 1))
  }

  static func zigzag64(_ varint: UInt64) -> UInt64 { varint >> 1 ^ (0 &- (varint & 1)) }

  /// How many end in the bytes.
  static func count(_ bytes: UnsafeRawBufferPointer) -> Int {
    var count = 0
    var index = 0
    while bytes.count &- index >= wordByteCount {
      // Each byte of the sum counts for itself: 31 words fill none, and their sum fits one too.
      let end = index &+ min(31, (bytes.count &- index) / wordByteCount) &* wordByteCount
      var sums: UInt64 = 0
      while index < end {
        sums &+= (~bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & continuationBits) >> 7
        index &+= wordByteCount
      }
      count &+= Int((sums &* 0x0101_0101_0101_0101) >> 56)
    }
    while index < bytes.count {
      count &+= Int(~bytes[index] >> 7)
      index &+= 1
    }
    return count
  }

  /// Reads as many as `count` tells. False where one is longer than 10 bytes or does not end.
  @inline(__always) static func read<Number: BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _ memory: UnsafeMutableRawPointer, _ form: (UInt64) -> Number
  ) -> Bool {
    guard var next = bytes.baseAddress else { return true }
    let end = next + bytes.count
    var place = memory
    while next < end {
      let word = end - next >= wordByteCount ? UInt64(littleEndian: next.loadUnaligned(as: UInt64.self)) : .max
      let stops = ~word & continuationBits
      let laterStops = stops & (stops &- 1)
      let first = word & (stops ^ (stops &- 1))
      if laterStops != 0 {
        // Two at once: where they end is what the next ones wait for, and that takes longer than to gather their bits.
        let second = (word & (laterStops ^ (laterStops &- 1))) &>> UInt64(8 &* byteCount(toStop: stops))
        place.storeBytes(of: form(gathered(first)), as: Number.self)
        place.storeBytes(of: form(gathered(second)), toByteOffset: MemoryLayout<Number>.size, as: Number.self)
        place += 2 &* MemoryLayout<Number>.size
        next += byteCount(toStop: laterStops)
        continue
      }
      let value: UInt64
      if stops != 0 {
        value = gathered(first)
        next += byteCount(toStop: stops)
      } else {
        guard let long = readByBytes(&next, end) else { return false }
        value = long
      }
      place.storeBytes(of: form(value), as: Number.self)
      place += MemoryLayout<Number>.size
    }
    return true
  }

  /// How many bytes there are up to the first stop, with it.
  @inline(__always) private static func byteCount(toStop stops: UInt64) -> Int {
    Int(truncatingIfNeeded: UInt(truncatingIfNeeded: stops.trailingZeroBitCount &+ 1) &>> 3)
  }

  /// At the end of the bytes, and where a varint has more than eight.
  private static func readByBytes(_ next: inout UnsafeRawPointer, _ end: UnsafeRawPointer) -> UInt64? {
    var value: UInt64 = 0
    for index in 0..<min(largestByteCount, end - next) {
      let byte = next.load(fromByteOffset: index, as: UInt8.self)
      value |= UInt64(byte & 0x7f) << UInt64(7 * index)
      if byte < 0x80 {
        next += index + 1
        return value
      }
    }
    return nil
  }

  /// The varints of `count` numbers, in the context's memory.
  @inline(__always) static func write<Number: BitwiseCopyable>(
    _ numbers: UnsafeRawPointer, _ count: Int, _ context: borrowing EncodeContext, _ form: (Number) -> UInt64
  ) -> ProtobufCBinaryData {
    let numbers = UnsafeBufferPointer(start: numbers.assumingMemoryBound(to: Number.self), count: count)
    // None takes more than all their bits would; to add up what each takes would be a third of the work.
    var bits: UInt64 = 0
    for number in numbers { bits |= form(number) }
    // Eight bytes are written at once.
    let memory = context.memory(count &* VarintCoding.byteCount(bits) &+ wordByteCount)
    var next = memory
    for number in numbers {
      let value = form(number)
      if value < 1 << 56 {
        let byteCount = VarintCoding.byteCount(value)
        let word = spread(value) | continuationBits & ((1 << UInt64(8 &* (byteCount &- 1))) &- 1)
        next.storeBytes(of: word.littleEndian, as: UInt64.self)
        next += byteCount
      } else {
        writeByBytes(value, &next)
      }
    }
    return ProtobufCBinaryData(len: next - memory, data: memory.assumingMemoryBound(to: UInt8.self))
  }

  private static func writeByBytes(_ value: UInt64, _ next: inout UnsafeMutableRawPointer) {
    var rest = value
    while rest >= 0x80 {
      next.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, as: UInt8.self)
      next += 1
      rest >>= 7
    }
    next.storeBytes(of: UInt8(truncatingIfNeeded: rest), as: UInt8.self)
    next += 1
  }

  /// A byte for each 7 bits: for all numbers of bits this is (bits + 6) / 7, without a division.
  @inline(__always) private static func byteCount(_ value: UInt64) -> Int {
    ((64 &- (value | 1).leadingZeroBitCount) &* 9 &+ 64) >> 6
  }

  /// 7 bits of each byte, put together.
  @inline(__always) private static func gathered(_ word: UInt64) -> UInt64 {
    var value = word & ~continuationBits
    value = (value & 0x7f00_7f00_7f00_7f00) >> 1 | value & 0x007f_007f_007f_007f
    value = (value & 0x3fff_0000_3fff_0000) >> 2 | value & 0x0000_3fff_0000_3fff
    return (value & 0x0fff_ffff_0000_0000) >> 4 | value & 0x0000_0000_0fff_ffff
  }

  /// The other way.
  @inline(__always) private static func spread(_ value: UInt64) -> UInt64 {
    var word = (value & 0x00ff_ffff_f000_0000) << 4 | value & 0x0000_0000_0fff_ffff
    word = (word & 0x0fff_c000_0fff_c000) << 2 | word & 0x0000_3fff_0000_3fff
    return (word & 0x3f80_3f80_3f80_3f80) << 1 | word & 0x007f_007f_007f_007f
  }
}
