/// What the low three bits of a tag say about the value (protobuf.dev, Encoding: Message Structure).
enum WireType {
  static let varint: UInt32 = 0
  static let fixed64: UInt32 = 1
  static let length: UInt32 = 2
  static let groupStart: UInt32 = 3
  static let groupEnd: UInt32 = 4
  static let fixed32: UInt32 = 5
}

/// Walks the wire format without a schema: tags and values (protobuf.dev, Encoding).
package struct WireReader {
  package enum Value {
    case varint(UInt64)
    case fixed64(UInt64)
    case bytes(UnsafeRawBufferPointer)
    /// The content of a group, without its end tag.
    case group(UnsafeRawBufferPointer)
    case fixed32(UInt32)

    var wireType: UInt32 {
      switch self {
      case .varint: WireType.varint
      case .fixed64: WireType.fixed64
      case .bytes: WireType.length
      case .group: WireType.groupStart
      case .fixed32: WireType.fixed32
      }
    }
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
    let (number, wireType) = try tag()
    let tagByteCount = index - start
    let value = try value(number, wireType: wireType, depth: depth)
    let raw = UnsafeRawBufferPointer(rebasing: bytes[start..<index])
    return Field(number: number, value: value, raw: raw, tagByteCount: tagByteCount)
  }

  /// The next element of a packed field; nil at the end.
  package mutating func nextPacked(wireType: Int) throws(ProtobufError) -> Value? {
    index < bytes.count ? try value(0, wireType: UInt32(wireType), depth: 0) : nil
  }

  private mutating func tag() throws(ProtobufError) -> (number: Int, wireType: UInt32) {
    let start = index
    let tag = try varint()
    let number = Int(tag >> 3)
    // A tag takes 5 bytes at the most, however it is written.
    guard tag <= UInt64(UInt32.max), number > 0, index - start <= 5 else { throw .malformed }
    return (number, UInt32(tag & 7))
  }

  private mutating func value(_ number: Int, wireType: UInt32, depth: Int) throws(ProtobufError) -> Value {
    switch wireType {
    case WireType.varint: return .varint(try varint())
    case WireType.fixed64: return .fixed64(try fixed(UInt64.self))
    case WireType.length:
      let length = try varint()
      guard length <= UInt64(bytes.count - index) else { throw .malformed }
      defer { index += Int(length) }
      return .bytes(UnsafeRawBufferPointer(rebasing: bytes[index..<(index + Int(length))]))
    case WireType.groupStart: return .group(try group(number, depth: depth))
    case WireType.fixed32: return .fixed32(try fixed(UInt32.self))
    default: throw .malformed
    }
  }

  /// Not by recursion: where there is no limit of depth, the stack must not be one that nobody looks at.
  private mutating func group(_ number: Int, depth: Int) throws(ProtobufError) -> UnsafeRawBufferPointer {
    guard depth < maximumDepth else { throw .tooDeep(limit: maximumDepth) }
    let start = index
    var open = [number]
    while true {
      let end = index
      let (number, wireType) = try tag()
      switch wireType {
      case WireType.groupStart:
        guard open.count < maximumDepth - depth else { throw .tooDeep(limit: maximumDepth) }
        open.append(number)
      case WireType.groupEnd:
        guard open.removeLast() == number else { throw .malformed }
        if open.isEmpty { return UnsafeRawBufferPointer(rebasing: bytes[start..<end]) }
      default: _ = try value(number, wireType: wireType, depth: depth)
      }
    }
  }

  private mutating func varint() throws(ProtobufError) -> UInt64 {
    guard let start = bytes.baseAddress else { throw .malformed }
    let (value, next) = try VarintCoding.read(start + index, start + bytes.count)
    index = next - start
    return value
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
