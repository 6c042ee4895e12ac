public import CProtobufC
import VoleryPlatform

/// A message in libprotobuf-c's form, for generated code to read. Offsets are those of the file's table.
@frozen public struct RawMessage {
  @usableFromInline let base: UnsafeRawPointer

  /// A message at this place; `DecodeContext` owns the memory, and what texts and bytes point to is the input.
  @inlinable public init(_ base: UnsafeRawPointer) { self.base = base }

  /// A number as it lies in memory at this offset; the type has to be the field's.
  @inlinable public func load<Value: BitwiseCopyable>(_ offset: Int, _ type: Value.Type = Value.self) -> Value {
    base.load(fromByteOffset: offset, as: Value.self)
  }

  /// Whether a field with a has-word is set, or which member of a oneof is (its field number, 0 for none).
  @inlinable public func has(_ offset: Int) -> Bool { base.load(fromByteOffset: offset, as: Int32.self) != 0 }

  /// A boolean, which the C library has as a word of its own.
  @inlinable public func bool(_ offset: Int) -> Bool { load(offset, UInt64.self) != 0 }

  /// Where a message field's message is; nil when the field is not set.
  @inlinable public func pointer(_ offset: Int) -> UnsafeRawPointer? {
    base.load(fromByteOffset: offset, as: UnsafeRawPointer?.self)
  }

  /// A `string` field; throws `invalidUTF8` where its bytes are no text.
  @inlinable public func string(_ offset: Int) throws(ProtobufError) -> String {
    try _string(base.load(fromByteOffset: offset, as: ProtobufCBinaryData.self))
  }

  /// A `bytes` field.
  @inlinable public func bytes(_ offset: Int, _ context: borrowing DecodeContext) -> [UInt8] {
    _bytes(base.load(fromByteOffset: offset, as: ProtobufCBinaryData.self))
  }

  /// Whether the input had fields that the .proto does not know.
  @inlinable public var hasUnknownFields: Bool { base.load(fromByteOffset: 8, as: UInt32.self) != 0 }

  // Repeated fields: a count, and a pointer to the elements.

  /// The elements of a repeated field in C memory, valid while the context lives; empty when there are none.
  @inlinable public func elements<Value>(_ count: Int, _ offset: Int, _ type: Value.Type) -> UnsafeBufferPointer<Value>
  {
    UnsafeBufferPointer(
      start: pointer(offset)?.assumingMemoryBound(to: Value.self), count: base.load(fromByteOffset: count, as: Int.self)
    )
  }

  /// A list of numbers, copied; the type has to be the field's.
  @inlinable public func array<Value: BitwiseCopyable>(_ count: Int, _ offset: Int, _ type: Value.Type) -> [Value] {
    Array(elements(count, offset, Value.self))
  }

  /// A list of booleans.
  @inlinable public func bools(_ count: Int, _ offset: Int) -> [Bool] {
    elements(count, offset, UInt64.self).map { $0 != 0 }
  }

  /// A list of texts; throws `invalidUTF8` where the bytes of one are none.
  @inlinable public func strings(_ count: Int, _ offset: Int) throws(ProtobufError) -> [String] {
    let elements = elements(count, offset, ProtobufCBinaryData.self)
    var strings: [String] = []
    strings.reserveCapacity(elements.count)
    for data in elements { strings.append(try _string(data)) }
    return strings
  }

  /// A list of byte fields.
  @inlinable public func bytesArray(
    _ count: Int, _ offset: Int, _ context: borrowing DecodeContext
  ) -> [[UInt8]] {
    let elements = elements(count, offset, ProtobufCBinaryData.self)
    var arrays: [[UInt8]] = []
    arrays.reserveCapacity(elements.count)
    for data in elements { arrays.append(_bytes(data)) }
    return arrays
  }

  /// A list of messages; throws what reading one of them throws.
  @inlinable public func messages<M: Message>(
    _ count: Int, _ offset: Int, _ context: borrowing DecodeContext, _ type: M.Type = M.self
  ) throws(ProtobufError) -> [M] {
    let pointers = elements(count, offset, UnsafeRawPointer.self)
    var messages: [M] = []
    messages.reserveCapacity(pointers.count)
    for pointer in pointers { messages.append(try context.message(pointer)) }
    return messages
  }

  /// The unknown fields as they stood on the wire.
  @inlinable public func unknownFields(_ context: borrowing DecodeContext) throws(ProtobufError) -> UnknownFields {
    hasUnknownFields ? _unknownFields() : UnknownFields()
  }

  /// Those of a map's entry, which has no place for them, were well-formed, or nothing would have been read.
  @inlinable public func checkUnknownFields(_ context: borrowing DecodeContext) throws(ProtobufError) {}

  @usableFromInline func _unknownFields() -> UnknownFields {
    let pieces = UnknownPieces(UnsafeMutableRawPointer(mutating: base)).all
    var bytes: [UInt8] = []
    bytes.reserveCapacity(pieces.reduce(0) { $0 + $1.count })
    for piece in pieces { bytes.append(contentsOf: piece) }
    return UnknownFields(bytes: bytes)
  }
}

@inlinable func _bytes(_ data: ProtobufCBinaryData) -> [UInt8] {
  Array(UnsafeBufferPointer(start: data.data, count: data.len))
}

@usableFromInline func _string(_ data: ProtobufCBinaryData) throws(ProtobufError) -> String {
  if data.len > 0, data.len <= SmallText.largestCount, let start = data.data,
    let text = SmallText(UnsafeRawPointer(start), data.len)?.string
  {
    return text
  }
  return try _anyString(data)
}

@inline(never) private func _anyString(_ data: ProtobufCBinaryData) throws(ProtobufError) -> String {
  guard data.len > 0, let start = data.data else { return "" }
  let bytes = UnsafeBufferPointer(start: start, count: data.len)
  if _isASCII(bytes) { return _asciiString(bytes) }
  let text = String(decoding: bytes, as: UTF8.self)
  guard _is(text, bytes) else { throw .invalidUTF8 }
  return text
}

func _isUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
  _isASCII(bytes) || _is(String(decoding: bytes, as: UTF8.self), bytes)
}

/// Bytes that were looked at are not looked at again.
@inline(__always) private func _asciiString(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
  if #available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *) {
    return String(copying: UTF8Span(unchecked: bytes.span, isKnownASCII: true))
  }
  return String(decoding: bytes, as: UTF8.self)
}

/// Decoding repairs what is not UTF-8, which changes bytes; comparing is far cheaper than a validating initializer.
private func _is(_ text: String, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
  var copy = text
  return copy.withUTF8 { $0.count == bytes.count && memcmp($0.baseAddress!, bytes.baseAddress!, bytes.count) == 0 }
}

@inline(__always) private func _isASCII(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
  let raw = UnsafeRawBufferPointer(bytes)
  var index = 0
  var bits: UInt64 = 0
  while index &+ 8 <= raw.count {
    bits |= raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
    index &+= 8
  }
  while index < raw.count {
    bits |= UInt64(raw[index])
    index &+= 1
  }
  return bits & 0x8080_8080_8080_8080 == 0
}
