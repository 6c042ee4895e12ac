public import CProtobufC
import VoleryPlatform
public import VoleryTypes

/// The writing of one message: generated code fills C structs in the thread's arena, libprotobuf-c packs them. Must not
/// live across an `await`, nor longer than the message that is written: arrays and long strings are borrowed, not copied.
public struct EncodeContext: ~Copyable {
  @usableFromInline let arena: Unmanaged<Arena>
  @usableFromInline let allowsPartial: Bool

  /// Takes the thread's arena, or a fresh one where a writing further up on the stack has it.
  public init(_ options: EncodeOptions = EncodeOptions()) {
    arena = Arena.begin(memoryLimit: .max)
    allowsPartial = options.allowsPartial
  }

  deinit { Arena.end(arena) }

  /// An empty message of this type.
  @inlinable public func message(_ type: MessageType) -> MutableRawMessage {
    let size = type.descriptor.pointee.sizeof_message
    let base = memory(size)
    volery_zero(base, size)
    // For each field 5 bytes of tag, and 10 of a number, a length or a list's; what texts, bytes, lists and messages hold is
    // counted as they come.
    expect(16 &+ EncodeContext.largestFieldByteCount &* Int(type.descriptor.pointee.n_fields))
    base.storeBytes(of: type.descriptor, as: UnsafePointer<ProtobufCMessageDescriptor>.self)
    return MutableRawMessage(base)
  }

  /// The message in C memory, for a field of another one to point to. What can't be written is remembered for `finish`, which
  /// throws it.
  @inlinable public func fill<M: Message>(_ message: M) -> UnsafeMutableRawPointer {
    let raw = self.message(M._type)
    if arena._withUnsafeGuaranteedRef({ $0.isStackLow }) { fail(.tooDeep(limit: 0)) } else { message._fill(raw, self) }
    return raw.base
  }

  /// A `required` field is not set.
  public func missing(_ field: StaticString) {
    if !allowsPartial { fail(.missingRequired(field: field.description)) }
  }

  /// Remembers the first reason why the message can't be encoded.
  @usableFromInline func fail(_ error: ProtobufError) {
    arena._withUnsafeGuaranteedRef { if $0.failure == nil { $0.failure = error } }
  }

  @usableFromInline static let largestFieldByteCount = 15

  /// Counts bytes that the message may have, at the most.
  @inlinable @inline(__always) func expect(_ byteCount: Int) {
    arena._withUnsafeGuaranteedRef { $0.encodedBound &+= byteCount }
  }

  private func prepare(_ root: MutableRawMessage) throws(ProtobufError) {
    if let failure = arena._withUnsafeGuaranteedRef({ $0.failure }) { throw failure }
    if root.descriptor.pointee.hasGroup { GroupEncoding.prepare(root, self) }
    // What has fewer bytes has no list that is long enough.
    let leastBound = PackedNumbers.smallestCount * EncodeContext.largestFieldByteCount
    if arena._withUnsafeGuaranteedRef({ $0.encodedBound >= leastBound }) { PackedNumbers.pack(root, self) }
  }

  /// To ask for a message's size costs as much as to pack it. A message for which there is room in the arena, whatever its
  /// size, is packed there at once, to be copied; nil where there may not be: where it is large, or has large bytes.
  private func packedInArena(_ root: MutableRawMessage) -> UnsafeRawBufferPointer? {
    // Bytes of groups are not counted: they are packed behind the library's back.
    guard !root.descriptor.pointee.hasGroup else { return nil }
    return arena._withUnsafeGuaranteedRef { arena in
      let start = arena.next
      guard arena.encodedBound > 0, arena.encodedBound <= arena.end - start else { return nil }
      let count = protobuf_c_message_pack(root.message, start.assumingMemoryBound(to: UInt8.self))
      precondition(count <= arena.encodedBound, "a message larger than its fields allow")
      return UnsafeRawBufferPointer(start: start, count: count)
    }
  }

  private func packedSize(_ root: MutableRawMessage) throws(ProtobufError) -> Int {
    let size = protobuf_c_message_get_packed_size(root.message)
    guard size <= Int(Int32.max) else { throw .tooLarge }
    return size
  }

  /// The message's bytes; empty for one without a set field.
  ///
  /// - Throws: The first reason that came up while messages were filled: a missing `required` field, too deep; or `tooLarge`
  ///   beyond 2 GiB.
  public func finish(_ root: MutableRawMessage) throws(ProtobufError) -> [UInt8] {
    try prepare(root)
    if let packed = packedInArena(root) {
      return packed.isEmpty ? [] : [UInt8](byteCount: packed.count) { $0.copyMemory(from: packed) }
    }
    let size = try packedSize(root)
    guard size > 0 else { return [] }
    return [UInt8](byteCount: size) { bytes in
      _ = protobuf_c_message_pack(root.message, bytes.baseAddress!.assumingMemoryBound(to: UInt8.self))
    }
  }

  /// Writes the bytes to the sink; large byte fields go into it without a copy. Throws as the other one does, and has then
  /// written nothing.
  public func finish(_ root: MutableRawMessage, into sink: inout MessageSink) throws(ProtobufError) {
    try prepare(root)
    if let packed = packedInArena(root) {
      return sink.write(byteCount: packed.count) { $0.copyMemory(from: packed) }
    }
    let size = try packedSize(root)
    let hasLent = arena._withUnsafeGuaranteedRef { !$0.lent.isEmpty }
    // What writes groups goes behind the library's back, into memory that it knows.
    if hasLent, !root.descriptor.pointee.hasGroup {
      return PieceBuffer.pack(root.message, arena._withUnsafeGuaranteedRef { $0.lent }, into: &sink)
    }
    sink.write(byteCount: size) { buffer in
      let out = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
      _ = protobuf_c_message_pack(root.message, out)
    }
  }

  // MARK: Memory

  @inlinable @inline(__always) func memory(_ size: Int) -> UnsafeMutableRawPointer {
    arena._withUnsafeGuaranteedRef { $0.memory(size) }
  }

  @inlinable func memory<Value>(_ count: Int, _ type: Value.Type) -> UnsafeMutablePointer<Value> {
    memory(max(1, count) * MemoryLayout<Value>.stride).assumingMemoryBound(to: Value.self)
  }

  /// Bytes from this count on are not worth a second copy: they make the message one whose size is asked for.
  @usableFromInline static let largeByteCount = 2048

  @inlinable @inline(__always) func expect(data byteCount: Int) {
    expect(byteCount < EncodeContext.largeByteCount ? byteCount : 1 << 24)
  }

  @inlinable func data(_ bytes: [UInt8]) -> ProtobufCBinaryData {
    guard !bytes.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
    expect(data: bytes.count)
    if bytes.count >= MessageSink.sharedByteCount { arena._withUnsafeGuaranteedRef { $0.lend(bytes) } }
    return ProtobufCBinaryData(len: bytes.count, data: BorrowedStorage.start(of: bytes))
  }

  @usableFromInline func data(_ string: String) -> ProtobufCBinaryData {
    if let small = SmallString(string) {
      let memory = memory(SmallString.byteCount)
      small.store(to: memory)
      expect(small.count)
      return ProtobufCBinaryData(len: small.count, data: memory.assumingMemoryBound(to: UInt8.self))
    }
    // Strings of up to 15 bytes may have them in the value itself: always a copy.
    if string.utf8.count >= SmallString.byteCount, let bytes = BorrowedStorage.bytes(of: string) {
      expect(data: bytes.count)
      return ProtobufCBinaryData(len: bytes.count, data: UnsafeMutablePointer(mutating: bytes.baseAddress))
    }
    // Also one whose bytes are elsewhere (bridged ones on Apple's systems).
    return Array(string.utf8).withUnsafeBufferPointer { copy($0) }
  }

  private func copy(_ bytes: UnsafeBufferPointer<UInt8>) -> ProtobufCBinaryData {
    guard bytes.count > 0 else { return ProtobufCBinaryData(len: 0, data: nil) }
    expect(data: bytes.count)
    let memory = memory(bytes.count)
    memcpy(memory, bytes.baseAddress!, bytes.count)
    return ProtobufCBinaryData(len: bytes.count, data: memory.assumingMemoryBound(to: UInt8.self))
  }
}
