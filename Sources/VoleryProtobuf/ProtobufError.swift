/// Why bytes are not a message, or a message can't become bytes.
public enum ProtobufError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The bytes break the wire format: truncated, an over-long varint, field number 0, a group that does not end.
  case malformed
  /// A `string` field that is not UTF-8.
  case invalidUTF8
  /// Messages within one another deeper than the limit.
  case tooDeep(limit: Int)
  /// The message needs more memory than its limit allows for so few bytes.
  case tooMuchMemory
  /// More than 2 GiB, which protobuf does not allow.
  case tooLarge
  /// A `required` field (proto2) is not set; `field` is its full name, `package.Message.field`.
  case missingRequired(field: String)

  /// The reason in words, with the limit or the field's name; nothing of the message's content.
  public var description: String {
    switch self {
    case .malformed: "malformed protobuf message"
    case .invalidUTF8: "a string in the protobuf message is not UTF-8"
    case .tooDeep(let limit): "the protobuf message is nested deeper than \(limit) levels"
    case .tooMuchMemory: "the protobuf message needs too much memory for its size"
    case .tooLarge: "the protobuf message is larger than 2 GiB"
    case .missingRequired(let field): "the required field \(field) is not set"
    }
  }
}
