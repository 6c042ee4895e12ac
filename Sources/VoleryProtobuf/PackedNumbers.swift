import CProtobufC

/// Long packed lists of varints. libprotobuf-c goes through them twice, bit by bit, and takes longer than all else; it is
/// given them as bytes then, by a second descriptor of the message's (`ProtobufCMessageDescriptor.packedAsBytes`), and the
/// numbers are written here. The C struct of both is the same: a count and a pointer.
///
/// Only of the outermost message, where long lists are.
enum PackedNumbers {
  /// From so many numbers on it pays.
  static let smallestCount = 128

  static func isCandidate(_ field: ProtobufCFieldDescriptor) -> Bool {
    guard field.isRepeated, field.isPacked, !field.isClosedEnum, field.offset == field.quantifier_offset + 8 else {
      return false
    }
    switch field.type {
    case PROTOBUF_C_TYPE_INT32, PROTOBUF_C_TYPE_UINT32, PROTOBUF_C_TYPE_SINT32, PROTOBUF_C_TYPE_INT64,
      PROTOBUF_C_TYPE_UINT64, PROTOBUF_C_TYPE_SINT64:
      return MemoryLayout<Int>.size == 8
    default: return false
    }
  }

  /// The field as the second descriptor has it.
  static func asBytes(_ field: ProtobufCFieldDescriptor) -> ProtobufCFieldDescriptor {
    var bytes = field
    bytes.type = PROTOBUF_C_TYPE_BYTES
    // Without a has-word: empty ones are not written.
    bytes.label = PROTOBUF_C_LABEL_NONE
    bytes.flags = 0
    bytes.offset = field.quantifier_offset
    bytes.quantifier_offset = 0
    return bytes
  }

  /// Puts bytes where the numbers are, and the second descriptor in its place, if there are many numbers.
  static func pack(_ message: MutableRawMessage, _ context: borrowing EncodeContext) {
    let descriptor = message.descriptor.pointee
    guard let packedAsBytes = descriptor.packedAsBytes else { return }
    var total = 0
    for index in 0..<Int(descriptor.n_fields) where isCandidate(descriptor.fields[index]) {
      total &+= message.base.load(fromByteOffset: Int(descriptor.fields[index].quantifier_offset), as: Int.self)
    }
    guard total >= smallestCount else { return }
    for index in 0..<Int(descriptor.n_fields) where isCandidate(descriptor.fields[index]) {
      let field = descriptor.fields[index]
      let place = message.base + Int(field.quantifier_offset)
      let count = place.load(as: Int.self)
      guard count > 0, let numbers = place.load(fromByteOffset: 8, as: UnsafeRawPointer?.self) else { continue }
      place.storeBytes(of: write(numbers, count, field.type, context), as: ProtobufCBinaryData.self)
    }
    message.base.storeBytes(of: packedAsBytes, as: UnsafePointer<ProtobufCMessageDescriptor>.self)
  }

  private static func write(
    _ numbers: UnsafeRawPointer, _ count: Int, _ type: ProtobufCType, _ context: borrowing EncodeContext
  ) -> ProtobufCBinaryData {
    switch type {
    case PROTOBUF_C_TYPE_INT32:
      VarintCoding.write(numbers, count, context) { (number: Int32) in UInt64(bitPattern: Int64(number)) }
    case PROTOBUF_C_TYPE_UINT32: VarintCoding.write(numbers, count, context) { (number: UInt32) in UInt64(number) }
    case PROTOBUF_C_TYPE_SINT32:
      VarintCoding.write(numbers, count, context) { (number: Int32) in
        UInt64(UInt32(bitPattern: number << 1 ^ number >> 31))
      }
    case PROTOBUF_C_TYPE_SINT64:
      VarintCoding.write(numbers, count, context) { (number: Int64) in UInt64(bitPattern: number << 1 ^ number >> 63) }
    default: VarintCoding.write(numbers, count, context) { (number: UInt64) in number }
    }
  }
}
