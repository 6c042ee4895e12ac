import TestMessages
import VoleryProtobuf

/// An input for the targets that read messages: the first byte says which message and how, the rest is what is read.
struct FuzzedMessage {
  /// Every kind of field, proto2 and proto3, with the well-known types. A new one goes to the end: the corpus counts.
  static let types: [any Message.Type] = [
    Everything.self, Old.self, Numbers.self, Nothing.self, Format.self, Groups.self, Extended.self, ClosedEnums.self,
    Required.self, Defaults.self, Tree.self, Items.self, Underscores.self,
  ]
  /// What `google.protobuf.Any` may hold.
  static let registry = TypeRegistry(types)

  let type: any Message.Type
  /// Two bits that choose options.
  let choice: UInt8
  let bytes: [UInt8]

  /// Nil for an empty input.
  init?(_ input: UnsafeRawBufferPointer) {
    guard let first = input.first else { return nil }
    type = FuzzedMessage.types[Int(first & 15) % FuzzedMessage.types.count]
    choice = first >> 4 & 3
    bytes = Array(input.dropFirst())
  }
}
