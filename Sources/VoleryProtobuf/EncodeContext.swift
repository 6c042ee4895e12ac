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
    zero(base, size)
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

  private func packedSize(_ root: MutableRawMessage) throws(ProtobufError) -> Int {
    if let failure = arena._withUnsafeGuaranteedRef({ $0.failure }) { throw failure }
    if root.descriptor.pointee.hasGroup { GroupEncoding.prepare(root, self) }
    PackedNumbers.pack(root, self)
    let size = protobuf_c_message_get_packed_size(root.message)
    guard size <= Int(Int32.max) else { throw .tooLarge }
    return size
  }

  /// The message's bytes; empty for one without a set field.
  ///
  /// - Throws: The first reason that came up while messages were filled: a missing `required` field, too deep; or `tooLarge`
  ///   beyond 2 GiB.
  public func finish(_ root: MutableRawMessage) throws(ProtobufError) -> [UInt8] {
    let size = try packedSize(root)
    guard size > 0 else { return [] }
    return [UInt8](byteCount: size) { bytes in
      _ = protobuf_c_message_pack(root.message, bytes.baseAddress!.assumingMemoryBound(to: UInt8.self))
    }
  }

  /// Writes the bytes to the sink; large byte fields go into it without a copy. Throws as the other one does, and has then
  /// written nothing.
  public func finish(_ root: MutableRawMessage, into sink: inout MessageSink) throws(ProtobufError) {
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

  @usableFromInline func zero(_ memory: UnsafeMutableRawPointer, _ size: Int) { memset(memory, 0, size) }

  @inlinable func data(_ bytes: [UInt8]) -> ProtobufCBinaryData {
    guard !bytes.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
    if bytes.count >= MessageSink.sharedByteCount { arena._withUnsafeGuaranteedRef { $0.lend(bytes) } }
    return ProtobufCBinaryData(len: bytes.count, data: BorrowedStorage.start(of: bytes))
  }

  /// Strings up to this length may have their bytes in the value itself: always a copy.
  private static let smallStringByteCount = 15

  @usableFromInline func data(_ string: String) -> ProtobufCBinaryData {
    if string.utf8.count > EncodeContext.smallStringByteCount {
      if let bytes = BorrowedStorage.bytes(of: string) {
        return ProtobufCBinaryData(len: bytes.count, data: UnsafeMutablePointer(mutating: bytes.baseAddress))
      }
    } else if let small = string.utf8.withContiguousStorageIfAvailable({ copySmall($0) }) {
      return small
    }
    // A string whose bytes are elsewhere (bridged ones on Apple's systems).
    return Array(string.utf8).withUnsafeBufferPointer { copy($0) }
  }

  private func copySmall(_ bytes: UnsafeBufferPointer<UInt8>) -> ProtobufCBinaryData {
    guard bytes.count > 0, let start = bytes.baseAddress else { return ProtobufCBinaryData(len: 0, data: nil) }
    let memory = memory(EncodeContext.smallStringByteCount + 1)
    SmallText.copy(UnsafeRawPointer(start), bytes.count, to: memory)
    return ProtobufCBinaryData(len: bytes.count, data: memory.assumingMemoryBound(to: UInt8.self))
  }

  private func copy(_ bytes: UnsafeBufferPointer<UInt8>) -> ProtobufCBinaryData {
    guard bytes.count > 0 else { return ProtobufCBinaryData(len: 0, data: nil) }
    let memory = memory(bytes.count)
    memcpy(memory, bytes.baseAddress!, bytes.count)
    return ProtobufCBinaryData(len: bytes.count, data: memory.assumingMemoryBound(to: UInt8.self))
  }
}
