public import VoleryProtobuf

extension Google_Protobuf_FieldMask: ExpressibleByArrayLiteral {
  /// A mask of these paths, as they stand: `["user.name", "total"]`. Names are the .proto's, with underscores.
  public init(arrayLiteral elements: String...) { self.init(paths: elements) }

  /// Whether the mask names this field or a message that it is in: `user` contains `user.name`.
  public func contains(_ path: String) -> Bool {
    paths.contains { path == $0 || path.hasPrefix($0 + ".") }
  }

  /// Every field that either names, none twice, in order.
  public func union(_ other: Google_Protobuf_FieldMask) -> Google_Protobuf_FieldMask {
    Google_Protobuf_FieldMask(paths: paths + other.paths).canonical
  }

  /// Every field that both name.
  public func intersection(_ other: Google_Protobuf_FieldMask) -> Google_Protobuf_FieldMask {
    let common = paths.filter { other.contains($0) } + other.paths.filter { contains($0) }
    return Google_Protobuf_FieldMask(paths: common).canonical
  }

  /// The same fields in order, without those that are in a message that is named, too.
  public var canonical: Google_Protobuf_FieldMask {
    var kept: [String] = []
    // A message sorts before its fields, but "a-b" between "a" and "a.b": compare by parts.
    let sorted = Set(paths).sorted { $0.split(separator: ".").lexicographicallyPrecedes($1.split(separator: ".")) }
    for path in sorted {
      if let last = kept.last, path.hasPrefix(last + ".") { continue }
      kept.append(path)
    }
    return Google_Protobuf_FieldMask(paths: kept)
  }

  /// Whether each path is a field of the message, or of a message in it by singular fields.
  public func isValid<M: Message>(for type: M.Type) -> Bool {
    MaskTree(paths).isValid(for: M.schema)
  }
}

extension Message {
  /// Takes the fields that the mask names from another message: those that are not set there are cleared. A mask's path
  /// that names no field is passed over; `FieldMask.isValid(for:)` tells.
  ///
  /// - Throws: when one of the messages has no bytes: a `required` field is missing, or it is over 2 GiB.
  public mutating func update(from other: Self, fields mask: Google_Protobuf_FieldMask) throws(ProtobufError) {
    self = try Self(
      decoding: MaskTree(mask.paths).merged(try encoded(), try other.encoded(), Self.schema))
  }
}
