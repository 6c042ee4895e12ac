import CProtobufC

// What this module keeps in the descriptors' reserved members.

extension ProtobufCFieldDescriptor {
  var isGroup: Bool { reserved_flags & FileTable.FieldFlags.group != 0 }
  var isClosedEnum: Bool { reserved_flags & FileTable.FieldFlags.closedEnum != 0 }
  var isString: Bool { reserved_flags & FileTable.FieldFlags.string != 0 }
  var isOneof: Bool { flags & FileTable.FieldFlags.oneof != 0 }
  var isMessage: Bool { type == PROTOBUF_C_TYPE_MESSAGE }
  var isPacked: Bool { flags & FileTable.FieldFlags.packed != 0 }
  var isRepeated: Bool { label == PROTOBUF_C_LABEL_REPEATED }

  /// The number that the .proto gives it.
  var wireNumber: Int { isGroup ? Int(id) - FileTable.firstPrivateNumber : Int(id) }

  var message: UnsafePointer<ProtobufCMessageDescriptor> {
    descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
  }

  /// Whether a closed enum has the number; any other field takes every number.
  func accepts(_ varint: UInt64) -> Bool {
    guard isClosedEnum, let list = reserved2?.assumingMemoryBound(to: Int32.self) else { return true }
    let value = Int32(truncatingIfNeeded: varint)
    var low = 1
    var high = Int(list[0]) + 1
    while low < high {
      let middle = (low + high) / 2
      if list[middle] == value { return true }
      if list[middle] < value { low = middle + 1 } else { high = middle }
    }
    return false
  }

  /// Whether a value of this form on the wire is one of the field; what does not fit is an unknown field.
  func fits(_ value: WireReader.Value) -> Bool {
    switch value {
    case .group: return isGroup
    case .bytes: return isMessage ? !isGroup : type == PROTOBUF_C_TYPE_BYTES || isRepeated
    case .varint:
      switch type {
      case PROTOBUF_C_TYPE_INT32, PROTOBUF_C_TYPE_SINT32, PROTOBUF_C_TYPE_UINT32, PROTOBUF_C_TYPE_INT64,
        PROTOBUF_C_TYPE_SINT64, PROTOBUF_C_TYPE_UINT64:
        return true
      default: return false
      }
    case .fixed64:
      return type == PROTOBUF_C_TYPE_FIXED64 || type == PROTOBUF_C_TYPE_SFIXED64 || type == PROTOBUF_C_TYPE_DOUBLE
    case .fixed32:
      return type == PROTOBUF_C_TYPE_FIXED32 || type == PROTOBUF_C_TYPE_SFIXED32 || type == PROTOBUF_C_TYPE_FLOAT
    }
  }
}

extension ProtobufCMessageDescriptor {
  private var traits: Int { Int(bitPattern: reserved1) }
  var needsScan: Bool { traits & FileTable.MessageFlags.needsScan != 0 }
  var hasGroup: Bool { traits & FileTable.MessageFlags.hasGroup != 0 }
  var isMapEntry: Bool { traits & FileTable.MessageFlags.isMapEntry != 0 }

  /// The same message with its packed varints as bytes; nil where it has none.
  var packedAsBytes: UnsafePointer<ProtobufCMessageDescriptor>? {
    reserved2.map { UnsafePointer($0.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)) }
  }

  /// The field that has this number on the wire.
  func field(wireNumber number: Int) -> ProtobufCFieldDescriptor? { fieldIndex(wireNumber: number).map { fields[$0] } }

  /// Its place in `fields`.
  func fieldIndex(wireNumber number: Int) -> Int? {
    index(id: number) ?? (hasGroup ? index(id: number + FileTable.firstPrivateNumber) : nil)
  }

  private func index(id number: Int) -> Int? {
    var low = 0
    var high = Int(n_fields)
    while low < high {
      let middle = (low + high) / 2
      let id = Int(fields[middle].id)
      if id == number { return middle }
      if id < number { low = middle + 1 } else { high = middle }
    }
    return nil
  }
}
