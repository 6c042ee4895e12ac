public import VoleryProtobuf

extension Google_Protobuf_Any {
  /// Packs a message.
  ///
  /// - Parameter prefix: What the type's URL starts with; receivers look at what follows its last slash only.
  /// - Throws: when the message has no bytes: a `required` field is missing, or it is over 2 GiB.
  public init<M: Message>(packing message: M, prefix: String = "type.googleapis.com") throws(ProtobufError) {
    self.init(typeURL: "\(prefix)/\(M.messageName)", value: try message.encoded())
  }

  /// The full name of the message that is packed; empty when there is none.
  public var typeName: String {
    guard let slash = typeURL.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "" }
    return String(typeURL[typeURL.utf8.index(after: slash)...])
  }

  /// Whether a message of this type is packed.
  public func isA<M: Message>(_ type: M.Type) -> Bool { typeName == M.messageName }

  /// The message that is packed; nil when it is of another type.
  ///
  /// - Throws: when the bytes are not a message of the type that they are said to be.
  public func unpack<M: Message>(_ type: M.Type = M.self) throws(ProtobufError) -> M? {
    isA(type) ? try M(decoding: value) : nil
  }

  /// The message that is packed, of whichever type it is; nil when the registry does not have it.
  public func unpack(from types: TypeRegistry) throws(ProtobufError) -> (any Message)? {
    guard let type = types.type(named: typeName) else { return nil }
    return try type.init(decoding: value)
  }
}
