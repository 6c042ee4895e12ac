import VoleryProtobuf

/// A file's descriptor as it stands in generated code: the same bytes whichever compiler sent it. Compilers agree on what a
/// descriptor says, but neither on the order of options, nor on the text of a float's default, nor on whether an option
/// that is set piece by piece is one message, nor on whether options for the source alone (`retention = RETENTION_SOURCE`)
/// are in it. Comments are left out.
struct CanonicalDescriptor {
  /// A field or an extension of a message, by the message's full name and the number; nil where the request does not have it.
  let field: (_ message: String, _ number: Int) -> FieldDescriptor?
  /// The fields of a map's entry are in no order of their own.
  let isMapEntry: (_ message: String) -> Bool

  func bytes(of file: FileDescriptor) throws -> [UInt8] { try descriptor(file.bytes, .file) }

  // MARK: Descriptors

  /// The messages of descriptor.proto that have options, or messages with options.
  private enum Kind: String {
    case file = "File"
    case message = "Message"
    case field = "Field"
    case `enum` = "Enum"
    case enumValue = "EnumValue"
    case service = "Service"
    case method = "Method"
    case oneof = "Oneof"
    case extensionRange = "ExtensionRange"

    func inner(_ number: Int) -> Kind? {
      switch (self, number) {
      case (.file, 4), (.message, 3): .message
      case (.file, 5), (.message, 4): .enum
      case (.file, 6): .service
      case (.file, 7), (.message, 2), (.message, 6): .field
      case (.message, 5): .extensionRange
      case (.message, 8): .oneof
      case (.enum, 2): .enumValue
      case (.service, 2): .method
      default: nil
      }
    }

    /// The numbers of its options, and of the features in them.
    var options: (number: Int, features: Int) {
      switch self {
      case .file: (8, 50)
      case .message: (7, 12)
      case .field: (8, 21)
      case .enum: (3, 7)
      case .enumValue: (3, 2)
      case .service: (3, 34)
      case .method: (4, 35)
      case .oneof: (2, 1)
      case .extensionRange: (3, 50)
      }
    }
  }

  private func descriptor(_ bytes: [UInt8], _ kind: Kind) throws -> [UInt8] {
    var fields = try WireFields(bytes)
    let sourceCodeInfo = 9
    if kind == .file { fields.remove { $0 == sourceCodeInfo } }
    if kind == .field { canonicalizeDefault(&fields) }
    try fields.mapMessages { number in
      kind.inner(number).map { inner in { try descriptor($0, inner) } }
    }
    let options = kind.options
    try fields.merge(options.number) { try self.options($0, kind, features: options.features) }
    return fields.encoded
  }

  private func canonicalizeDefault(_ fields: inout WireFields) {
    let (type, defaultValue) = (5, 7)
    let isDouble = fields.number(type) == UInt64(FieldDescriptor.Kind.double.rawValue)
    guard isDouble || fields.number(type) == UInt64(FieldDescriptor.Kind.float.rawValue) else { return }
    fields.mapBytes(defaultValue) {
      Array(DefaultValue.canonical(String(decoding: $0, as: UTF8.self), isDouble: isDouble).utf8)
    }
  }

  // MARK: Options

  /// Nil: nothing is left of them.
  private func options(_ bytes: [UInt8], _ kind: Kind, features: Int) throws -> [UInt8]? {
    var fields = try WireFields(bytes)
    // declaration and verification of extensions are for the source.
    if kind == .extensionRange { fields.remove { $0 == 2 || $0 == 3 } }
    try fields.merge(features) { bytes in
      var features = try WireFields(bytes)
      features.remove(where: Features.isOfSource)
      try canonicalize(&features, "google.protobuf.FeatureSet", depth: 0)
      return features.isEmpty ? nil : features.encoded
    }
    try canonicalize(&fields, "google.protobuf.\(kind.rawValue)Options", depth: 0, but: features)
    return fields.isEmpty ? nil : fields.encoded
  }

  /// What options hold of types that the request has.
  private func canonicalize(
    _ fields: inout WireFields, _ message: String, depth: Int, but known: Int? = nil
  ) throws {
    // Deeper they stay as they are.
    guard depth < 50 else { return }
    fields.remove { number in number != known && field(message, number)?.isOfSource == true }
    for number in fields.numbers where number != known {
      guard let field = field(message, number), field.kind == .message, !field.isDelimited else { continue }
      func canonical(_ bytes: [UInt8]) throws -> [UInt8] {
        var inner = try WireFields(bytes)
        try canonicalize(&inner, field.typeName, depth: depth + 1)
        return inner.encoded
      }
      if field.isRepeated {
        try fields.mapMessages { $0 == number ? canonical : nil }
        if isMapEntry(field.typeName) { fields.sort(number) }
      } else {
        try fields.merge(number, canonical)
      }
    }
  }
}

/// The fields of a message's bytes, in the order of their numbers.
struct WireFields {
  private struct Field {
    let number: Int
    /// What is behind the tag of a field that has a length.
    var content: [UInt8]?
    var value: UInt64?
    let raw: [UInt8]
  }

  private var fields: [Field] = []

  init(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { raw in
      var reader = WireReader(raw)
      while let next = try reader.next() {
        var field = Field(number: next.number, raw: Array(next.raw))
        switch next.value {
        case .bytes(let content): field.content = Array(content)
        case .varint(let value): field.value = value
        case .fixed32, .fixed64, .group: break
        }
        fields.append(field)
      }
    }
    // Those of one number keep their order.
    fields = fields.enumerated().sorted { ($0.element.number, $0.offset) < ($1.element.number, $1.offset) }
      .map(\.element)
  }

  var isEmpty: Bool { fields.isEmpty }
  var numbers: Set<Int> { Set(fields.map(\.number)) }

  func number(_ number: Int) -> UInt64? { fields.last { $0.number == number }?.value }

  mutating func remove(where isUnwanted: (_ number: Int) -> Bool) { fields.removeAll { isUnwanted($0.number) } }

  mutating func mapBytes(_ number: Int, _ transform: ([UInt8]) throws -> [UInt8]) rethrows {
    for index in fields.indices where fields[index].number == number {
      fields[index].content = try fields[index].content.map(transform)
    }
  }

  /// Each message of a number by itself, by what `transform` gives for the number.
  mutating func mapMessages(_ transform: (_ number: Int) -> (([UInt8]) throws -> [UInt8])?) throws {
    for index in fields.indices {
      guard let content = fields[index].content, let transform = transform(fields[index].number) else { continue }
      fields[index].content = try transform(content)
    }
  }

  /// A message that may come in pieces, as one; or none, where `transform` gives nil.
  mutating func merge(_ number: Int, _ transform: ([UInt8]) throws -> [UInt8]?) throws {
    let pieces = fields.filter { $0.number == number }
    guard let first = fields.firstIndex(where: { $0.number == number }), pieces.allSatisfy({ $0.content != nil }) else {
      return
    }
    let merged = try transform(Array(pieces.compactMap(\.content).joined()))
    fields.removeAll { $0.number == number }
    if let merged { fields.insert(Field(number: number, content: merged, raw: []), at: first) }
  }

  mutating func sort(_ number: Int) {
    let sorted = fields.filter { $0.number == number }
      .sorted { ($0.content ?? []).lexicographicallyPrecedes($1.content ?? []) }
    guard let first = fields.firstIndex(where: { $0.number == number }) else { return }
    fields.replaceSubrange(first..<(first + sorted.count), with: sorted)
  }

  var encoded: [UInt8] {
    fields.flatMap { field in
      guard let content = field.content else { return field.raw }
      return WireFields.varint(field.number << 3 | 2) + WireFields.varint(content.count) + content
    }
  }

  static func varint(_ value: Int) -> [UInt8] {
    var out: [UInt8] = []
    UnknownFields.appendVarint(UInt64(value), to: &out)
    return out
  }
}
