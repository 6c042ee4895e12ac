/// Walks the wire format without a schema: tags and values (protobuf.dev, Encoding).
package struct WireReader {
  package enum Value {
    case varint(UInt64)
    case fixed64(UInt64)
    case bytes(UnsafeRawBufferPointer)
    /// The content of a group, without its end tag.
    case group(UnsafeRawBufferPointer)
    case fixed32(UInt32)
  }

  package struct Field {
    package let number: Int
    package let value: Value
    /// Tag and value as they stand.
    package let raw: UnsafeRawBufferPointer
    /// How many bytes of `raw` are the tag.
    package let tagByteCount: Int
  }

  private let bytes: UnsafeRawBufferPointer
  private var index = 0
  private let maximumDepth: Int

  /// Groups and messages lie in one another `maximumDepth` levels deep at the most.
  package init(_ bytes: UnsafeRawBufferPointer, maximumDepth: Int = DecodeOptions.defaultMaximumDepth) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
  }

  /// The next number of a packed field; nil at the end.
  package mutating func element() throws(ProtobufError) -> UInt64? { index < bytes.count ? try varint() : nil }

  /// The next field; nil at the end.
  package mutating func next(depth: Int = 0) throws(ProtobufError) -> Field? {
    guard index < bytes.count else { return nil }
    let start = index
    let tag = try varint()
    let number = Int(tag >> 3)
    // A tag takes 5 bytes at the most, however it is written.
    guard tag <= UInt64(UInt32.max), number > 0, index - start <= 5 else { throw .malformed }
    let tagByteCount = index - start
    let value = try value(number, wireType: Int(tag & 7), depth: depth)
    let raw = UnsafeRawBufferPointer(rebasing: bytes[start..<index])
    return Field(number: number, value: value, raw: raw, tagByteCount: tagByteCount)
  }

  /// The next element of a packed field; nil at the end.
  package mutating func nextPacked(wireType: Int) throws(ProtobufError) -> Value? {
    index < bytes.count ? try value(0, wireType: wireType, depth: 0) : nil
  }

  private mutating func value(_ number: Int, wireType: Int, depth: Int) throws(ProtobufError) -> Value {
    switch wireType {
    case 0: return .varint(try varint())
    case 1: return .fixed64(try fixed(UInt64.self))
    case 2:
      let length = try varint()
      guard length <= UInt64(bytes.count - index) else { throw .malformed }
      defer { index += Int(length) }
      return .bytes(UnsafeRawBufferPointer(rebasing: bytes[index..<(index + Int(length))]))
    case 3: return .group(try group(number, depth: depth))
    case 5: return .fixed32(try fixed(UInt32.self))
    default: throw .malformed
    }
  }

  private mutating func group(_ number: Int, depth: Int) throws(ProtobufError) -> UnsafeRawBufferPointer {
    guard depth < maximumDepth else { throw .tooDeep(limit: maximumDepth) }
    let start = index
    while true {
      let end = index
      let tag = try varint()
      if tag & 7 == 4 {
        guard tag >> 3 == UInt64(number) else { throw .malformed }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
      }
      index = end
      guard try next(depth: depth + 1) != nil else { throw .malformed }
    }
  }

  private mutating func varint() throws(ProtobufError) -> UInt64 {
    var value: UInt64 = 0
    for shift in 0..<10 {
      guard index < bytes.count else { throw .malformed }
      let byte = bytes[index]
      index += 1
      value |= UInt64(byte & 0x7f) << UInt64(7 * shift)
      if byte < 0x80 { return value }
    }
    throw .malformed
  }

  private mutating func fixed<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type) throws(ProtobufError)
    -> Number
  {
    let size = MemoryLayout<Number>.size
    guard bytes.count - index >= size else { throw .malformed }
    defer { index += size }
    return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: Number.self))
  }
}
