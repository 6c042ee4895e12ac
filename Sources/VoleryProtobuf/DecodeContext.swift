import CProtobufC

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The reading of one message: from `init` to its end it holds the thread's arena, so it must not live across an `await`.
public struct DecodeContext: ~Copyable {
  /// Messages within one another, at the most.
  public static let maxDepth = 100

  @usableFromInline let arena: Arena

  public init(byteCount: Int) {
    arena = Arena.begin(memoryLimit: (4 << 20) + 64 * byteCount)
  }

  deinit { arena.end() }

  /// Reads the bytes into C memory that lives as long as this.
  public func unpack(_ type: MessageType, _ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> RawMessage {
    guard bytes.count <= Int(Int32.max) else { throw .tooLarge }
    if let message = unpackOnce(type, bytes), !arena.sawMessageFreed { return message }
    if let limit = arena.hitLimit { throw limit }
    // Rare: groups, a known field with another wire type, a sub-message in several pieces. The library can't read the
    // first two and merges the last wrongly: rewrite the input, then read that.
    let normal = try Normalizer.normalize(bytes, type)
    arena.forgetFreed()
    let copy = arena.allocate(max(1, normal.count))
    guard let copy else { throw arena.hitLimit ?? .tooMuchMemory }
    normal.withUnsafeBytes { if let base = $0.baseAddress { memcpy(copy, base, normal.count) } }
    guard let message = unpackOnce(type, UnsafeRawBufferPointer(start: copy, count: normal.count)) else {
      throw arena.hitLimit ?? .malformed
    }
    return message
  }

  private func unpackOnce(_ type: MessageType, _ bytes: UnsafeRawBufferPointer) -> RawMessage? {
    let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    return protobuf_c_message_unpack(type.descriptor, &arena.allocator, bytes.count, start).map {
      RawMessage(UnsafeRawPointer($0))
    }
  }

  /// Reads a sub-message.
  @inlinable
  public func message<M: Message>(_ pointer: UnsafeRawPointer, _ type: M.Type = M.self) throws(ProtobufError) -> M {
    try enter()
    let message = try M(RawMessage(pointer), self)
    leave()
    return message
  }

  public func enter() throws(ProtobufError) {
    arena.depth += 1
    guard arena.depth < DecodeContext.maxDepth, !arena.isStackLow else { throw .tooDeep(limit: DecodeContext.maxDepth) }
  }

  public func leave() { arena.depth -= 1 }
}
