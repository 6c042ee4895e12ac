/// Where a message's fields lie in libprotobuf-c's struct: chosen here, told to the runtime by the file's table.
///
/// Behind the 24 bytes of every message come the 4-byte words (has-words, cases, small numbers), then the 8-byte ones. The
/// size is 8 modulo 16: that told messages from texts when libprotobuf-c read them, and nobody asks for it now.
struct MessageLayout {
  struct Place {
    /// The has-word of an optional field, the case of a oneof, the count of a repeated field; 0 for none.
    var quantifier = 0
    var value = 0
  }

  private(set) var places: [Int: Place] = [:]
  private(set) var cases: [Int: Int] = [:]
  private(set) var size = 24

  init(_ message: MessageDescriptor) {
    for field in message.fields where field.oneof == nil && !field.isRepeated && field.kind != .message {
      places[field.number, default: Place()].quantifier = take(4)
      if field.kind.byteCount == 4 { places[field.number]!.value = take(4) }
    }
    var unions: [Int: Int] = [:]
    for index in message.oneofs.indices where message.fields.contains(where: { $0.oneof == index }) {
      cases[index] = take(4)
    }
    size = (size + 7) & ~7
    for index in cases.keys.sorted() { unions[index] = take(16) }
    for field in message.fields {
      if let oneof = field.oneof {
        places[field.number] = Place(quantifier: cases[oneof]!, value: unions[oneof]!)
      } else if field.isRepeated {
        places[field.number] = Place(quantifier: take(8), value: take(8))
      } else if field.kind == .message || field.kind.byteCount > 4 {
        places[field.number, default: Place()].value = take(field.kind == .message ? 8 : field.kind.byteCount)
      }
    }
    if size % 16 != 8 { size += 8 }
  }

  private mutating func take(_ count: Int) -> Int {
    defer { size += count }
    return size
  }
}

extension FieldDescriptor.Kind {
  /// The size of its value in C memory; bool is kept as 64 bits, because libprotobuf-c reads any garbage into its own bool.
  var byteCount: Int {
    switch self {
    case .float, .int32, .fixed32, .uint32, .enum, .sfixed32, .sint32: 4
    case .double, .int64, .uint64, .fixed64, .bool, .sfixed64, .sint64: 8
    case .string, .bytes: 16
    case .message: 8
    }
  }

  /// ProtobufCType: strings are bytes there, because its strings end at a NUL; enums are int32, bool uint64.
  var libraryType: Int {
    switch self {
    case .int32, .enum: 0
    case .sint32: 1
    case .sfixed32: 2
    case .int64: 3
    case .sint64: 4
    case .sfixed64: 5
    case .uint32: 6
    case .fixed32: 7
    case .uint64, .bool: 8
    case .fixed64: 9
    case .float: 10
    case .double: 11
    case .string, .bytes: 15
    case .message: 16
    }
  }

  /// The Swift type of a scalar.
  var scalarName: String? {
    switch self {
    case .float: "Float"
    case .double: "Double"
    case .int32, .sint32, .sfixed32: "Int32"
    case .int64, .sint64, .sfixed64: "Int64"
    case .uint32, .fixed32: "UInt32"
    case .uint64, .fixed64: "UInt64"
    case .bool: "Bool"
    case .string: "String"
    case .bytes, .enum, .message: nil
    }
  }
}
