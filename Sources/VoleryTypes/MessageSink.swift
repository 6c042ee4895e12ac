/// Where a message is serialized to: the bytes go straight behind the 5-byte prefix of the gRPC frame, without a copy.
public struct MessageSink: ~Copyable {
  /// 1 byte compressed flag + 4 bytes length, big-endian (doc/PROTOCOL-HTTP2.md, Length-Prefixed-Message).
  package static let prefixByteCount = 5

  private var bytes: [UInt8] = []

  package init() {}

  /// Bytes of the message so far.
  public var byteCount: Int { bytes.isEmpty ? 0 : bytes.count - MessageSink.prefixByteCount }

  /// Appends exactly `byteCount` bytes that `body` writes. Call it once with the whole size where that is known: the
  /// first call allocates exactly.
  public mutating func write<Failure: Error>(
    byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    if bytes.isEmpty {
      bytes = try MessageSink.frame(byteCount: byteCount, body)
    } else {
      let chunk = try MessageSink.frame(byteCount: byteCount, body)
      bytes.append(contentsOf: chunk[MessageSink.prefixByteCount...])
    }
  }

  public mutating func write(_ message: [UInt8]) {
    message.withUnsafeBytes { source in write(byteCount: source.count) { $0.copyMemory(from: source) } }
  }

  /// The finished frame, prefix filled in, not compressed.
  package consuming func finish() -> [UInt8] {
    if bytes.isEmpty { bytes = [0, 0, 0, 0, 0] }
    return bytes
  }

  private static func frame<Failure: Error>(
    byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) -> [UInt8] {
    var failure: Failure?
    let frame = [UInt8](unsafeUninitializedCapacity: byteCount + prefixByteCount) { buffer, count in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      raw[0] = 0
      raw.storeBytes(of: UInt32(truncatingIfNeeded: byteCount).bigEndian, toByteOffset: 1, as: UInt32.self)
      do throws(Failure) {
        try body(UnsafeMutableRawBufferPointer(rebasing: raw[prefixByteCount..<(prefixByteCount + byteCount)]))
      } catch {
        failure = error
      }
      count = byteCount + prefixByteCount
    }
    if let failure { throw failure }
    return frame
  }
}
