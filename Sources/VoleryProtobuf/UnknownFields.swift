import VoleryTypes

/// Fields that a message had on the wire and this program's .proto does not know, as they stood.
@frozen public struct UnknownFields: Hashable, Sendable {
  /// Wire format: tags and values one after another.
  public internal(set) var bytes: [UInt8] = []

  /// No unknown fields; costs no allocation.
  @inlinable public init() {}

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// True when the message had none.
  @inlinable public var isEmpty: Bool { bytes.isEmpty }

  package static func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  /// The number at the front and how many bytes it takes; nil when it does not end within 10 bytes or the input.
  static func readVarint(_ bytes: some Collection<UInt8>) -> (value: UInt64, byteCount: Int)? {
    var value: UInt64 = 0
    for (index, byte) in bytes.prefix(10).enumerated() {
      value |= UInt64(byte & 0x7f) << (7 * UInt64(index))
      if byte < 0x80 { return (value, index + 1) }
    }
    return nil
  }

  static func varintByteCount(_ value: UInt64) -> Int { max(1, (70 - value.leadingZeroBitCount) / 7) }

  /// The bytes of all fields but those of one number.
  func without(number: Int) -> [UInt8] {
    guard !bytes.isEmpty else { return [] }
    var kept: [UInt8] = []
    bytes.withUnsafeBytes { raw in
      // What stands here came from the wire and was well-formed there.
      var reader = WireReader(raw, maximumDepth: .max)
      while let field = try? reader.next() {
        if field.number != number { kept.append(contentsOf: UnsafeBufferPointer(field.raw)) }
      }
    }
    return kept
  }
}
