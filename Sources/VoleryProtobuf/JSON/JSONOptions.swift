import VoleryTypes

/// How a message is written as JSON.
public struct JSONEncodingOptions: Sendable {
  /// Names as the .proto has them (`order_id`) instead of `orderId`.
  public var usesProtoFieldNames = false
  /// Also fields that have their default value, where the field can't say whether it is set: proto3's plain fields,
  /// lists and maps.
  public var includesDefaultValues = false
  /// Enum values as numbers instead of names.
  public var writesEnumsAsNumbers = false
  /// What `google.protobuf.Any` may hold.
  public var types = TypeRegistry()

  /// JSON as protobuf's specification (ProtoJSON) has it by default.
  public init() {}
}

/// How a message is read from JSON.
public struct JSONDecodingOptions: Sendable {
  /// Passes over members that are no field of the message, and enum values by unknown names; both are errors otherwise.
  public var ignoresUnknownFields = false
  /// Objects and arrays within one another; deeper is an error.
  public var maxDepth = 100
  /// What `google.protobuf.Any` may hold.
  public var types = TypeRegistry()

  /// As strict as protobuf's specification (ProtoJSON) has it by default, with 100 levels.
  public init() {}
}

/// Why a text is no message, or a message can't be written as text: what is wrong, and where.
public struct MessageTextError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong and where; of the text only the name or value that it is about, shortened where it is long.
  public let description: String

  init(_ description: String) { self.description = description }

  init(_ error: JSONError) { description = error.description }

  init(_ error: ProtobufError) { description = error.description }
}
