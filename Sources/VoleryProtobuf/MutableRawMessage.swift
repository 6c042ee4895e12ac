public import CProtobufC

/// A message in C memory, for generated code to fill. Offsets are those of the file's table.
@frozen public struct MutableRawMessage {
  @usableFromInline let base: UnsafeMutableRawPointer

  /// A message at this place, which starts with its descriptor's address; `EncodeContext` owns the memory.
  @inlinable public init(_ base: UnsafeMutableRawPointer) { self.base = base }

  /// Says that an optional field is set, in its has-word at this offset.
  @inlinable public func setHas(_ offset: Int) { base.storeBytes(of: 1, toByteOffset: offset, as: Int32.self) }

  /// Which member of a oneof is set.
  @inlinable public func setCase(_ offset: Int, _ number: Int32) {
    base.storeBytes(of: number, toByteOffset: offset, as: Int32.self)
  }

  /// Puts a number where the field is, as it lies in memory.
  @inlinable public func store<Value: BitwiseCopyable>(_ offset: Int, _ value: Value) {
    base.storeBytes(of: value, toByteOffset: offset, as: Value.self)
  }

  /// A boolean, which the C library has as a word of its own.
  @inlinable public func store(_ offset: Int, _ value: Bool) { store(offset, UInt64(value ? 1 : 0)) }

  /// A `string` field; a text over 15 bytes is borrowed until the context ends.
  @inlinable public func store(_ offset: Int, _ value: String, _ context: borrowing EncodeContext) {
    base.storeBytes(of: context.data(value), toByteOffset: offset, as: ProtobufCBinaryData.self)
  }

  /// A `bytes` field; the array is borrowed until the context ends.
  @inlinable public func store(_ offset: Int, _ value: [UInt8], _ context: borrowing EncodeContext) {
    base.storeBytes(of: context.data(value), toByteOffset: offset, as: ProtobufCBinaryData.self)
  }

  /// A field that is a message, which is filled into memory of its own.
  @inlinable public func store<M: Message>(_ offset: Int, message: M, _ context: borrowing EncodeContext) {
    base.storeBytes(of: context.fill(message), toByteOffset: offset, as: UnsafeMutableRawPointer.self)
  }

  // MARK: Repeated fields

  @inlinable func setElements<Value>(
    _ count: Int, _ offset: Int, _ elements: UnsafeMutablePointer<Value>, _ number: Int,
    _ context: borrowing EncodeContext
  ) {
    context.expect(number &* EncodeContext.largestFieldByteCount)
    base.storeBytes(of: number, toByteOffset: count, as: Int.self)
    base.storeBytes(of: UnsafeMutableRawPointer(elements), toByteOffset: offset, as: UnsafeMutableRawPointer.self)
  }

  /// Borrowed, not copied.
  @inlinable public func storeArray<Value: BitwiseCopyable>(
    _ count: Int, _ offset: Int, _ values: [Value], _ context: borrowing EncodeContext
  ) {
    guard !values.isEmpty, let elements = BorrowedStorage.start(of: values) else { return }
    setElements(count, offset, elements, values.count, context)
  }

  /// A list of booleans, each a word of its own in C memory.
  @inlinable public func storeArray(_ count: Int, _ offset: Int, _ values: [Bool], _ context: borrowing EncodeContext) {
    storeArray(count, offset, values, context) { UInt64($0 ? 1 : 0) }
  }

  /// Elements that have another form in C memory, such as enums.
  @inlinable public func storeArray<Value, Element>(
    _ count: Int, _ offset: Int, _ values: [Value], _ context: borrowing EncodeContext, _ form: (Value) -> Element
  ) {
    guard !values.isEmpty else { return }
    let memory = context.memory(values.count, Element.self)
    for index in values.indices { (memory + index).initialize(to: form(values[index])) }
    setElements(count, offset, memory, values.count, context)
  }

  /// A list of texts; those over 15 bytes are borrowed until the context ends.
  @inlinable public func storeArray(_ count: Int, _ offset: Int, _ values: [String], _ context: borrowing EncodeContext)
  {
    guard !values.isEmpty else { return }
    let memory = context.memory(values.count, ProtobufCBinaryData.self)
    Lent.readAll(values) { memory[$0] = context.data($1) }
    setElements(count, offset, memory, values.count, context)
  }

  /// A list of byte fields, borrowed until the context ends.
  @inlinable public func storeArray(
    _ count: Int, _ offset: Int, _ values: [[UInt8]], _ context: borrowing EncodeContext
  ) {
    guard !values.isEmpty else { return }
    let memory = context.memory(values.count, ProtobufCBinaryData.self)
    Lent.readAll(values) { memory[$0] = context.data($1) }
    setElements(count, offset, memory, values.count, context)
  }

  /// A list of messages, each filled into memory of its own.
  @inlinable public func storeMessages<M: Message>(
    _ count: Int, _ offset: Int, _ values: [M], _ context: borrowing EncodeContext
  ) {
    guard !values.isEmpty else { return }
    let memory = context.memory(values.count, UnsafeMutableRawPointer.self)
    Lent.readAll(values) { memory[$0] = context.fill($1) }
    setElements(count, offset, memory, values.count, context)
  }

  /// A map is a list of entries.
  @inlinable public func storeMap<Key, Value>(
    _ count: Int, _ offset: Int, _ map: [Key: Value], _ entry: MessageType, _ context: borrowing EncodeContext,
    _ fill: (MutableRawMessage, Key, Value) -> Void
  ) {
    guard !map.isEmpty else { return }
    let memory = context.memory(map.count, UnsafeMutableRawPointer.self)
    var index = 0
    for (key, value) in map {
      let message = context.message(entry)
      fill(message, key, value)
      memory[index] = message.base
      index &+= 1
    }
    setElements(count, offset, memory, map.count, context)
  }

  /// Unknown fields go out as one: its tag is the first tag, its data all the rest.
  @inlinable public func storeUnknown(_ unknown: UnknownFields, _ context: borrowing EncodeContext) {
    if !unknown.isEmpty { _storeUnknown(unknown, context) }
  }

  @usableFromInline func _storeUnknown(_ unknown: UnknownFields, _ context: borrowing EncodeContext) {
    guard let (tag, length) = UnknownFields.readVarint(unknown.bytes) else { return }
    // Borrowed, as all arrays are.
    let data = context.data(unknown.bytes)
    append(
      ProtobufCMessageUnknownField(
        tag: UInt32(truncatingIfNeeded: tag >> 3), wire_type: ProtobufCWireType(rawValue: UInt32(tag & 7)),
        len: data.len - length, data: data.data + length), context)
  }

  func append(_ field: ProtobufCMessageUnknownField, _ context: borrowing EncodeContext) {
    let count = Int(message.pointee.n_unknown_fields)
    let fields = context.memory(count + 1, ProtobufCMessageUnknownField.self)
    for index in 0..<count { fields[index] = message.pointee.unknown_fields[index] }
    fields[count] = field
    base.storeBytes(of: UInt32(count + 1), toByteOffset: 8, as: UInt32.self)
    base.storeBytes(of: fields, toByteOffset: 16, as: UnsafeMutablePointer<ProtobufCMessageUnknownField>.self)
  }

  // MARK: What libprotobuf-c sees

  var message: UnsafeMutablePointer<ProtobufCMessage> { base.assumingMemoryBound(to: ProtobufCMessage.self) }

  var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
    base.load(as: UnsafePointer<ProtobufCMessageDescriptor>.self)
  }
}
