/// The messages of google.protobuf that have a JSON form of their own (protobuf.dev, ProtoJSON Format).
enum WellKnownMessage: Hashable, Sendable {
  case any, timestamp, duration, fieldMask, structure, value, listValue
  case wrapper(FieldSchema.Kind)

  init?(fullName: String) {
    let prefix = "google.protobuf."
    guard fullName.hasPrefix(prefix), let found = WellKnownMessage.all[String(fullName.dropFirst(prefix.count))] else {
      return nil
    }
    self = found
  }

  private static let all: [String: WellKnownMessage] = [
    "Any": .any, "Timestamp": .timestamp, "Duration": .duration, "FieldMask": .fieldMask, "Struct": .structure,
    "Value": .value, "ListValue": .listValue, "DoubleValue": .wrapper(.double), "FloatValue": .wrapper(.float),
    "Int64Value": .wrapper(.int64), "UInt64Value": .wrapper(.uint64), "Int32Value": .wrapper(.int32),
    "UInt32Value": .wrapper(.uint32), "BoolValue": .wrapper(.bool), "StringValue": .wrapper(.string),
    "BytesValue": .wrapper(.bytes),
  ]

  static let nullValueName = "google.protobuf.NullValue"
  static let emptyName = "google.protobuf.Empty"
}
