public import CProtobufC
public import VoleryTypes

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The writing of one message: generated code fills C structs in the thread's arena, libprotobuf-c packs them. Must not
/// live across an `await`, nor longer than the message that is written: large arrays are borrowed, not copied.
public struct EncodeContext: ~Copyable {
  @usableFromInline let arena: Arena

  public init() { arena = Arena.begin(memoryLimit: .max / 2) }

  deinit { arena.end() }

  /// An empty message of this type.
  @inlinable public func message(_ type: MessageType) -> MutableRawMessage {
    let base = arena.zeroed(type.descriptor.pointee.sizeof_message)
    base.storeBytes(of: type.descriptor, as: UnsafePointer<ProtobufCMessageDescriptor>.self)
    return MutableRawMessage(base)
  }

  @inlinable public func fill<M: Message>(_ message: M) -> UnsafeMutableRawPointer {
    let raw = self.message(M._type)
    message._fill(raw, self)
    return raw.base
  }

  private func packedSize(_ root: MutableRawMessage) throws(ProtobufError) -> Int {
    let size = protobuf_c_message_get_packed_size(root.base.assumingMemoryBound(to: ProtobufCMessage.self))
    guard size <= Int(Int32.max) else { throw .tooLarge }
    return size
  }

  public func finish(_ root: MutableRawMessage) throws(ProtobufError) -> [UInt8] {
    let size = try packedSize(root)
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = protobuf_c_message_pack(root.base.assumingMemoryBound(to: ProtobufCMessage.self), buffer.baseAddress)
    }
  }

  public func finish(_ root: MutableRawMessage, into sink: inout MessageSink) throws(ProtobufError) {
    let size = try packedSize(root)
    sink.write(byteCount: size) { buffer in
      let out = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
      _ = protobuf_c_message_pack(root.base.assumingMemoryBound(to: ProtobufCMessage.self), out)
    }
  }

  // MARK: Bytes

  /// Arrays from this size on are borrowed.
  @usableFromInline static let borrowedByteCount = 1024

  @inlinable func data(_ bytes: [UInt8]) -> ProtobufCBinaryData {
    guard !bytes.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
    return bytes.withUnsafeBufferPointer { copyOrBorrow($0) }
  }

  @usableFromInline func data(_ string: String) -> ProtobufCBinaryData {
    guard !string.isEmpty else { return ProtobufCBinaryData(len: 0, data: nil) }
    // A short string has its bytes in the value itself: always a copy.
    var string = string
    return string.withUTF8 { copy($0) }
  }

  @usableFromInline func copyOrBorrow(_ bytes: UnsafeBufferPointer<UInt8>) -> ProtobufCBinaryData {
    guard bytes.count >= EncodeContext.borrowedByteCount else { return copy(bytes) }
    return ProtobufCBinaryData(len: bytes.count, data: UnsafeMutablePointer(mutating: bytes.baseAddress))
  }

  private func copy(_ bytes: UnsafeBufferPointer<UInt8>) -> ProtobufCBinaryData {
    let memory = arena.zeroedNot(bytes.count)
    memcpy(memory, bytes.baseAddress!, bytes.count)
    return ProtobufCBinaryData(len: bytes.count, data: memory.assumingMemoryBound(to: UInt8.self))
  }

  @inlinable func memory<Value>(_ count: Int, _ type: Value.Type) -> UnsafeMutablePointer<Value> {
    arena.zeroedNot(max(1, count) * MemoryLayout<Value>.stride).assumingMemoryBound(to: Value.self)
  }
}

extension Arena {
  /// Memory for encoding whose content is of no matter.
  @usableFromInline func zeroedNot(_ size: Int) -> UnsafeMutableRawPointer {
    guard let block = allocate(size) else { fatalError("no memory to encode a message") }
    return block
  }
}

/// A message in C memory, for generated code to fill. Offsets are those of the file's table.
@frozen public struct MutableRawMessage {
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable public init(_ base: UnsafeMutableRawPointer) { self.base = base }

  @inlinable public func setHas(_ offset: Int) { base.storeBytes(of: 1, toByteOffset: offset, as: Int32.self) }

  /// Which member of a oneof is set.
  @inlinable public func setCase(_ offset: Int, _ number: Int32) {
    base.storeBytes(of: number, toByteOffset: offset, as: Int32.self)
  }

  @inlinable public func store<Value: BitwiseCopyable>(_ offset: Int, _ value: Value) {
    base.storeBytes(of: value, toByteOffset: offset, as: Value.self)
  }

  @inlinable public func store(_ offset: Int, _ value: Bool) { store(offset, UInt64(value ? 1 : 0)) }

  @inlinable public func store(_ offset: Int, _ value: String, _ context: borrowing EncodeContext) {
    base.storeBytes(of: context.data(value), toByteOffset: offset, as: ProtobufCBinaryData.self)
  }

  @inlinable public func store(_ offset: Int, _ value: [UInt8], _ context: borrowing EncodeContext) {
    base.storeBytes(of: context.data(value), toByteOffset: offset, as: ProtobufCBinaryData.self)
  }

  @inlinable public func store<M: Message>(_ offset: Int, message: M, _ context: borrowing EncodeContext) {
    base.storeBytes(of: context.fill(message), toByteOffset: offset, as: UnsafeMutableRawPointer.self)
  }

  // MARK: Repeated fields

  @inlinable func setElements<Value>(
    _ count: Int, _ offset: Int, _ elements: UnsafeMutablePointer<Value>, _ number: Int
  ) {
    base.storeBytes(of: number, toByteOffset: count, as: Int.self)
    base.storeBytes(of: UnsafeMutableRawPointer(elements), toByteOffset: offset, as: UnsafeMutableRawPointer.self)
  }

  @inlinable public func storeArray<Value: BitwiseCopyable>(
    _ count: Int, _ offset: Int, _ values: [Value], _ context: borrowing EncodeContext
  ) {
    guard !values.isEmpty else { return }
    let memory = context.memory(values.count, Value.self)
    for index in values.indices { memory[index] = values[index] }
    setElements(count, offset, memory, values.count)
  }

  @inlinable public func storeArray(_ count: Int, _ offset: Int, _ values: [Bool], _ context: borrowing EncodeContext) {
    storeArray(count, offset, values.map { UInt64($0 ? 1 : 0) }, context)
  }

  @inlinable public func storeArray(_ count: Int, _ offset: Int, _ values: [String], _ context: borrowing EncodeContext)
  {
    guard !values.isEmpty else { return }
    let memory = context.memory(values.count, ProtobufCBinaryData.self)
    for index in values.indices { memory[index] = context.data(values[index]) }
    setElements(count, offset, memory, values.count)
  }

  @inlinable public func storeArray(
    _ count: Int, _ offset: Int, _ values: [[UInt8]], _ context: borrowing EncodeContext
  ) {
    guard !values.isEmpty else { return }
    let memory = context.memory(values.count, ProtobufCBinaryData.self)
    for index in values.indices { memory[index] = context.data(values[index]) }
    setElements(count, offset, memory, values.count)
  }

  @inlinable public func storeMessages<M: Message>(
    _ count: Int, _ offset: Int, _ values: [M], _ context: borrowing EncodeContext
  ) {
    guard !values.isEmpty else { return }
    let memory = context.memory(values.count, UnsafeMutableRawPointer.self)
    for index in values.indices { memory[index] = context.fill(values[index]) }
    setElements(count, offset, memory, values.count)
  }

  /// A map is a list of entries.
  @inlinable public func storeMap<Key, Value>(
    _ count: Int, _ offset: Int, _ map: [Key: Value], _ entry: MessageType, _ context: borrowing EncodeContext,
    _ fill: (MutableRawMessage, Key, Value) -> Void
  ) {
    guard !map.isEmpty else { return }
    let memory = context.memory(map.count, UnsafeMutableRawPointer.self)
    for (index, pair) in map.enumerated() {
      let message = context.message(entry)
      fill(message, pair.key, pair.value)
      memory[index] = message.base
    }
    setElements(count, offset, memory, map.count)
  }

  /// Unknown fields go out as one: its tag is the first tag, its data all the rest.
  @inlinable public func storeUnknown(_ unknown: UnknownFields, _ context: borrowing EncodeContext) {
    if !unknown.isEmpty { _storeUnknown(unknown, context) }
  }

  @usableFromInline func _storeUnknown(_ unknown: UnknownFields, _ context: borrowing EncodeContext) {
    guard let (tag, length) = UnknownFields.readVarint(unknown.bytes[...]) else { return }
    let field = context.memory(1, ProtobufCMessageUnknownField.self)
    let data = context.data(Array(unknown.bytes.dropFirst(length)))
    // Always a copy: the array above does not live.
    let copy = context.memory(max(1, data.len), UInt8.self)
    if data.len > 0 { memcpy(copy, data.data, data.len) }
    field.initialize(
      to: ProtobufCMessageUnknownField(
        tag: UInt32(truncatingIfNeeded: tag >> 3), wire_type: ProtobufCWireType(rawValue: UInt32(tag & 7)),
        len: data.len,
        data: copy))
    base.storeBytes(of: 1, toByteOffset: 8, as: UInt32.self)
    base.storeBytes(of: field, toByteOffset: 16, as: UnsafeMutablePointer<ProtobufCMessageUnknownField>.self)
  }
}
