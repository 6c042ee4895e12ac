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

  var form: FieldForm { FieldForm(bits: reserved_flags >> FieldForm.shift) }

  /// The field's number and wire type as they stand in front of its value, unless it is packed.
  var tag: UInt32 { UInt32(truncatingIfNeeded: UInt(bitPattern: reserved3)) }

  /// Whether its values may stand one behind the other.
  var isPackable: Bool { isRepeated && !isMessage && type != PROTOBUF_C_TYPE_BYTES }

  /// Of an element of a list in C memory.
  var elementByteCount: Int { form.kind.byteCount }

  /// A map whose values are of a closed enum.
  var isMapOfClosedEnum: Bool {
    isMessage && message.pointee.isMapEntry && message.pointee.n_fields > 1 && message.pointee.fields[1].isClosedEnum
  }

  /// Writes down what reading looks at.
  mutating func setForm() {
    let kind = FieldForm.Kind(self)
    let shape: FieldForm.Shape = isOneof ? .oneof : isRepeated ? .list : .singular
    reserved_flags |= FieldForm(kind, shape).bits << FieldForm.shift
    reserved3 = UnsafeMutableRawPointer(bitPattern: UInt(UInt32(wireNumber) << 3 | kind.wireType))
  }
}

extension ProtobufCMessageDescriptor {
  private var traits: Int { Int(bitPattern: reserved1) }
  var hasGroup: Bool { traits & FileTable.MessageFlags.hasGroup != 0 }
  var isMapEntry: Bool { traits & FileTable.MessageFlags.isMapEntry != 0 }

  /// The same message with its packed varints as bytes; nil where it has none.
  var packedAsBytes: UnsafePointer<ProtobufCMessageDescriptor>? {
    reserved2.map { UnsafePointer($0.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)) }
  }

  /// The field whose values stand behind this tag.
  func field(tag: UInt32) -> UnsafePointer<ProtobufCFieldDescriptor>? {
    let isGroup = tag & 7 == WireType.groupStart
    guard let field = field(id: tag >> 3 &+ (isGroup ? UInt32(FileTable.firstPrivateNumber) : 0)),
      field.pointee.tag == tag
    else { return nil }
    return field
  }

  /// Groups have numbers of their own.
  func field(id: UInt32) -> UnsafePointer<ProtobufCFieldDescriptor>? {
    // Mostly there are no gaps. (Behind the last field is one without a number.)
    let place = id &- fields.pointee.id
    if place < n_fields, fields[Int(place)].id == id { return fields + Int(place) }
    var low = 0
    var high = Int(n_fields)
    while low < high {
      let middle = (low + high) / 2
      let other = fields[middle].id
      if other == id { return fields + middle }
      if other < id { low = middle + 1 } else { high = middle }
    }
    return nil
  }
}
