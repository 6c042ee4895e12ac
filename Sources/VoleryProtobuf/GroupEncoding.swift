import CProtobufC

/// Groups, and fields with DELIMITED encoding, for encoding: libprotobuf-c can't write them. Packed here, each field of
/// them becomes one unknown field of its message, whose tag is the first start tag and whose data is all the rest.
enum GroupEncoding {
  static func prepare(_ message: MutableRawMessage, _ context: borrowing EncodeContext) {
    let descriptor = message.descriptor.pointee
    for index in 0..<Int(descriptor.n_fields) {
      let field = descriptor.fields[index]
      guard field.isMessage, field.isGroup || field.message.pointee.hasGroup else { continue }
      let subs = message.messages(of: field)
      guard !subs.isEmpty else { continue }
      if field.message.pointee.hasGroup { for sub in subs { prepare(sub, context) } }
      guard field.isGroup else { continue }
      message.append(packed(subs, number: UInt64(field.wireNumber), context), context)
      message.clear(field)
    }
  }

  private static func packed(
    _ messages: [MutableRawMessage], number: UInt64, _ context: borrowing EncodeContext
  ) -> ProtobufCMessageUnknownField {
    var start: [UInt8] = []
    var end: [UInt8] = []
    UnknownFields.appendVarint(number << 3 | 3, to: &start)
    UnknownFields.appendVarint(number << 3 | 4, to: &end)
    let sizes = messages.map { protobuf_c_message_get_packed_size($0.message) }
    let count = sizes.reduce(0, +) + messages.count * end.count + (messages.count - 1) * start.count
    let data = context.memory(count, UInt8.self)
    var next = data
    for (index, message) in messages.enumerated() {
      if index > 0 {
        next.update(from: start, count: start.count)
        next += start.count
      }
      next += protobuf_c_message_pack(message.message, next)
      next.update(from: end, count: end.count)
      next += end.count
    }
    // Wire type 3, start of a group, has no name in the library; it writes whatever stands here.
    return ProtobufCMessageUnknownField(
      tag: UInt32(number), wire_type: ProtobufCWireType(rawValue: 3), len: count, data: data)
  }
}

extension MutableRawMessage {
  fileprivate func messages(of field: ProtobufCFieldDescriptor) -> [MutableRawMessage] {
    let quantifier = Int(field.quantifier_offset)
    let slot = base + Int(field.offset)
    if field.isRepeated {
      let count = base.load(fromByteOffset: quantifier, as: Int.self)
      guard count > 0 else { return [] }
      let elements = slot.load(as: UnsafeMutablePointer<UnsafeMutableRawPointer>.self)
      return (0..<count).map { MutableRawMessage(elements[$0]) }
    }
    if field.isOneof, base.load(fromByteOffset: quantifier, as: UInt32.self) != field.id { return [] }
    return slot.load(as: UnsafeMutableRawPointer?.self).map { [MutableRawMessage($0)] } ?? []
  }

  fileprivate func clear(_ field: ProtobufCFieldDescriptor) {
    if field.isRepeated {
      base.storeBytes(of: 0, toByteOffset: Int(field.quantifier_offset), as: Int.self)
    } else if field.isOneof {
      base.storeBytes(of: 0, toByteOffset: Int(field.quantifier_offset), as: UInt32.self)
    }
    base.storeBytes(of: nil, toByteOffset: Int(field.offset), as: UnsafeMutableRawPointer?.self)
  }
}
