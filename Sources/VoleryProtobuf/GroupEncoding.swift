import CProtobufC
import VoleryTypes

/// Groups, and fields with DELIMITED encoding, for encoding: libprotobuf-c can't write them. Packed here, each field of
/// them becomes one unknown field of its message, whose tag is the first start tag and whose data is all the rest.
enum GroupEncoding {
  /// Makes unknown fields of the groups of a message and of those below it; their bytes live as long as the context.
  static func prepare(_ message: MutableRawMessage, _ context: borrowing EncodeContext) {
    for bytes in pack(groupsOf: message, context) { context.arena._withUnsafeGuaranteedRef { $0.lend(bytes) } }
  }

  /// The bytes that the message now points into. Those of a group within a group are let go once they are part of the outer
  /// one's, so that depth costs no memory.
  private static func pack(groupsOf message: MutableRawMessage, _ context: borrowing EncodeContext) -> [[UInt8]] {
    var kept: [[UInt8]] = []
    let descriptor = message.descriptor.pointee
    for index in 0..<Int(descriptor.n_fields) {
      let field = descriptor.fields[index]
      guard field.isMessage, field.isGroup || field.message.pointee.hasGroup else { continue }
      let subs = message.messages(of: field)
      guard !subs.isEmpty else { continue }
      let inner = field.message.pointee.hasGroup ? subs.flatMap { pack(groupsOf: $0, context) } : []
      guard field.isGroup else {
        kept += inner
        continue
      }
      let (bytes, tagByteCount) = withExtendedLifetime(inner) { packed(subs, number: UInt64(field.wireNumber)) }
      // Wire type 3, start of a group, has no name in the library; it writes whatever stands here.
      message.append(
        ProtobufCMessageUnknownField(
          tag: UInt32(field.wireNumber), wire_type: ProtobufCWireType(rawValue: 3), len: bytes.count - tagByteCount,
          data: BorrowedStorage.start(of: bytes)! + tagByteCount),
        context)
      message.clear(field)
      kept.append(bytes)
    }
    return kept
  }

  /// The messages, each between its tags, and how long the first tag is.
  private static func packed(_ messages: [MutableRawMessage], number: UInt64) -> (bytes: [UInt8], tagByteCount: Int) {
    var start: [UInt8] = []
    var end: [UInt8] = []
    UnknownFields.appendVarint(number << 3 | 3, to: &start)
    UnknownFields.appendVarint(number << 3 | 4, to: &end)
    let sizes = messages.map { protobuf_c_message_get_packed_size($0.message) }
    let count = sizes.reduce(0, +) + messages.count * (start.count + end.count)
    let bytes = [UInt8](byteCount: count) { out in
      var next = out.baseAddress!.assumingMemoryBound(to: UInt8.self)
      for message in messages {
        next.initialize(from: start, count: start.count)
        next += start.count
        next += protobuf_c_message_pack(message.message, next)
        next.initialize(from: end, count: end.count)
        next += end.count
      }
    }
    return (bytes, start.count)
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
