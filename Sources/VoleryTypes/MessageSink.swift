/// Where a message is serialized to: the bytes go straight behind the 5-byte prefix of the gRPC frame, without a copy.
public struct MessageSink: ~Copyable {
  /// 1 byte compressed flag + 4 bytes length, big-endian (doc/PROTOCOL-HTTP2.md, Length-Prefixed-Message).
  @inlinable package static var prefixByteCount: Int { 5 }

  /// The prefix and the message; its first part only where `pieces` has the rest, which is rare.
  @usableFromInline var bytes: [UInt8] = []
  @usableFromInline var pieces: [[UInt8]]?

  /// Byte fields from this size on are sent from where they are.
  @usableFromInline package static let sharedByteCount = 32 << 10

  @usableFromInline package init() {}

  /// Bytes of the message so far.
  public var byteCount: Int {
    bytes.isEmpty ? 0 : (pieces ?? []).reduce(bytes.count - MessageSink.prefixByteCount) { $0 + $1.count }
  }

  /// Appends exactly `byteCount` bytes that `body` writes. Call it once with the whole size where that is known: the
  /// first call allocates exactly.
  @inlinable
  public mutating func write<Failure: Error>(
    byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    if pieces != nil { return append(piece: try MessageSink.bytes(prefix: 0, byteCount: byteCount, body)) }
    guard !bytes.isEmpty else {
      bytes = try MessageSink.bytes(prefix: MessageSink.prefixByteCount, byteCount: byteCount, body)
      return
    }
    let start = bytes.count
    grow(by: byteCount)
    var failure: Failure?
    bytes.withUnsafeMutableBytes { buffer in
      do throws(Failure) {
        try body(UnsafeMutableRawBufferPointer(rebasing: buffer[start..<(start + byteCount)]))
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  /// What `body` writes, behind a frame's prefix or behind nothing.
  @inlinable
  static func bytes<Failure: Error>(
    prefix: Int, byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) -> [UInt8] {
    try [UInt8](byteCount: prefix + byteCount) { buffer throws(Failure) in
      if prefix > 0 {
        buffer[0] = 0
        buffer.storeBytes(of: UInt32(truncatingIfNeeded: byteCount).bigEndian, toByteOffset: 1, as: UInt32.self)
      }
      try body(UnsafeMutableRawBufferPointer(rebasing: buffer[prefix...]))
    }
  }

  /// Appends these bytes; many of them (32 KiB and more) without a copy.
  public mutating func write(_ message: [UInt8]) {
    if message.count >= MessageSink.sharedByteCount {
      if bytes.isEmpty { bytes = [0, 0, 0, 0, 0] }
      append(piece: message)
    } else {
      message.withUnsafeBytes { source in write(byteCount: source.count) { $0.copyMemory(from: source) } }
    }
  }

  /// The finished frame, prefix filled in, not compressed.
  @usableFromInline package consuming func finish() -> MessageFrame {
    if bytes.isEmpty { bytes = [0, 0, 0, 0, 0] }
    return MessageFrame(head: bytes, tail: pieces)
  }

  @usableFromInline mutating func append(piece: [UInt8]) {
    if pieces == nil { pieces = [piece] } else { pieces?.append(piece) }
  }

  /// Makes room for another piece.
  @usableFromInline
  mutating func grow(by byteCount: Int) {
    bytes.append(contentsOf: repeatElement(0, count: byteCount))
    let total = UInt32(truncatingIfNeeded: bytes.count - MessageSink.prefixByteCount)
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: total.bigEndian, toByteOffset: 1, as: UInt32.self) }
  }
}
