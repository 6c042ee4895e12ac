/// Writes the wire format: tags and values one after another (protobuf.dev, Encoding).
struct WireWriter {
  private(set) var bytes: [UInt8] = []

  var count: Int { bytes.count }

  /// Whether a value that was written from `start` on is the default of its type.
  func isZero(from start: Int) -> Bool { bytes[start...].allSatisfy { $0 == 0 } }

  static func tagByteCount(_ number: Int) -> Int {
    number < 16 ? 1 : number < 2048 ? 2 : number < 1 << 18 ? 3 : number < 1 << 25 ? 4 : 5
  }

  /// Drops what was written after `count` bytes.
  mutating func truncate(to count: Int) { bytes.removeSubrange(count...) }

  mutating func varint(_ value: UInt64) { UnknownFields.appendVarint(value, to: &bytes) }

  mutating func tag(_ number: Int, wireType: Int) { varint(UInt64(number) << 3 | UInt64(wireType)) }

  mutating func fixed32(_ value: UInt32) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func fixed64(_ value: UInt64) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func raw(_ raw: UnsafeRawBufferPointer) { bytes.append(contentsOf: raw) }

  /// Length and content.
  mutating func content(_ content: some Collection<UInt8>) {
    varint(UInt64(content.count))
    bytes.append(contentsOf: content)
  }

  /// Starts something whose length is not known yet; `endLength` takes what this returns.
  mutating func beginLength() -> Int {
    bytes.append(0)
    return bytes.count
  }

  mutating func endLength(_ start: Int) {
    let length = bytes.count - start
    guard length >= 0x80 else {
      bytes[start - 1] = UInt8(length)
      return
    }
    var prefix: [UInt8] = []
    UnknownFields.appendVarint(UInt64(length), to: &prefix)
    bytes.replaceSubrange((start - 1)..<start, with: prefix)
  }
}
