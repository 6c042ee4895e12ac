import CProtobufC

/// How a field's values are read, in few bits: it is asked for each field of the input.
struct FieldForm {
  enum Kind: UInt32 {
    /// No field: what stands behind the last one of a descriptor.
    case none
    case varint32, varint64, zigzag32, zigzag64, fixed32, fixed64, data, message, group, closedEnum
  }

  enum Shape: UInt32 {
    case list, oneof, singular
  }

  /// Where they are in a field's flags, behind our others.
  static let shift: UInt32 = 8
  private static let kindMask: UInt32 = 15
  private static let shapeShift: UInt32 = 4
  private static let shapeMask: UInt32 = 3

  let bits: UInt32

  init(bits: UInt32) { self.bits = bits }

  init(_ kind: Kind, _ shape: Shape) { bits = kind.rawValue | shape.rawValue << FieldForm.shapeShift }

  var kind: Kind { Kind(rawValue: bits & FieldForm.kindMask).unsafelyUnwrapped }

  var shape: Shape { Shape(rawValue: bits >> FieldForm.shapeShift & FieldForm.shapeMask).unsafelyUnwrapped }
}

extension FieldForm.Kind {
  init(_ field: ProtobufCFieldDescriptor) {
    self =
      switch field.type {
      case PROTOBUF_C_TYPE_INT32, PROTOBUF_C_TYPE_UINT32: field.isClosedEnum ? .closedEnum : .varint32
      case PROTOBUF_C_TYPE_SINT32: .zigzag32
      case PROTOBUF_C_TYPE_SINT64: .zigzag64
      case PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_SFIXED32, PROTOBUF_C_TYPE_FLOAT: .fixed32
      case PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_DOUBLE: .fixed64
      case PROTOBUF_C_TYPE_BYTES: .data
      case PROTOBUF_C_TYPE_MESSAGE: field.isGroup ? .group : .message
      default: .varint64
      }
  }

  var wireType: UInt32 {
    switch self {
    case .none, .varint32, .varint64, .zigzag32, .zigzag64, .closedEnum: WireType.varint
    case .fixed32: WireType.fixed32
    case .fixed64: WireType.fixed64
    case .data, .message: WireType.length
    case .group: WireType.groupStart
    }
  }

  var byteCount: Int {
    switch self {
    case .none, .varint32, .zigzag32, .fixed32, .closedEnum: 4
    case .varint64, .zigzag64, .fixed64, .message, .group: 8
    case .data: 16
    }
  }
}
