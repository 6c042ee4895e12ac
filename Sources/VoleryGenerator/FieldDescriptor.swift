/// A field, or an extension, with its features resolved.
///
/// More than 15 stored properties: descriptor.proto has as many.
struct FieldDescriptor {
  /// descriptor.proto's numbers of types, but for groups: those are messages that are delimited.
  enum Kind: Int {
    case double = 1
    case float, int64, uint64, int32, fixed64, fixed32, bool, string
    case message = 11
    case bytes, uint32, `enum`, sfixed32, sfixed64, sint32, sint64
  }

  let name: String
  /// `package.Message.field`.
  let fullName: String
  let number: Int
  let kind: Kind
  let isRepeated: Bool
  let isRequired: Bool
  /// The full name of the message or enum, without the leading dot.
  let typeName: String
  /// What an extension extends; empty for a field.
  let extendee: String
  /// The oneof that a user sees; nil for the one that stands for proto3's `optional`.
  let oneof: Int?
  let hasPresence: Bool
  let isPacked: Bool
  /// Between a start and an end tag on the wire: proto2's groups, and features.message_encoding = DELIMITED.
  let isDelimited: Bool
  /// As it stands in the .proto (`[default = ...]`); nil where there is none.
  let defaultText: String?
  let isDeprecated: Bool
  /// Whether, as an option, it is for the source alone (`retention = RETENTION_SOURCE`).
  let isOfSource: Bool
  let comment: String

  static func all(_ nodes: [Node], _ scope: Scope, location: [Int]) throws -> [FieldDescriptor] {
    var fields: [FieldDescriptor] = []
    for (index, node) in nodes.enumerated() {
      fields.append(try FieldDescriptor(node, scope, location: location + [index]))
    }
    return fields
  }

  private init(_ node: Node, _ scope: Scope, location: [Int]) throws {
    let name = node.string(1) ?? ""
    let fullName = scope.fullName(name)
    self.name = name
    self.fullName = fullName
    number = node.int(3) ?? 0
    guard number > 0, number < FieldDescriptor.firstPrivateNumber else {
      throw PluginError("\(fullName): the field number \(number)")
    }
    let groupType = 10
    let type = node.int(5) ?? 0
    guard let kind = type == groupType ? .message : Kind(rawValue: type) else {
      throw PluginError("\(fullName): an unknown type")
    }
    self.kind = kind
    let options = try node.node(8)
    let oneofIndex = node.int(9)
    let oneofFeatures = oneofIndex.flatMap { scope.oneofFeatures.indices.contains($0) ? scope.oneofFeatures[$0] : nil }
    let features = try scope.features.applying(oneofFeatures, fullName).applying(try options?.node(21), fullName)
    let label = node.int(4) ?? 1
    isRepeated = label == 3
    typeName = String((node.string(6) ?? "").drop { $0 == "." })
    extendee = String((node.string(2) ?? "").drop { $0 == "." })
    let isOptional = node.bool(17) ?? false
    oneof = isOptional ? nil : oneofIndex
    isRequired = label == 2 || (features.presence == .legacyRequired && label != 3 && oneofIndex == nil)
    hasPresence = isOptional || kind == .message || !extendee.isEmpty || features.presence != .implicit
    let mayPack = ![.string, .bytes, .message].contains(kind)
    isPacked = isRepeated && mayPack && (options?.bool(2) ?? features.isPacked)
    // Maps and what they hold always have a length; the feature is not meant for them.
    isDelimited =
      type == groupType
      || (kind == .message && features.isDelimited && !scope.isMapEntry
        && !scope.mapEntries.contains(typeName))
    defaultText = node.string(7)
    isDeprecated = options?.bool(3) ?? false
    isOfSource = options?.int(17) == 2
    comment = scope.comments[location]
  }

  /// Whether the .proto gives it another default than zero, for which there is an accessor.
  var hasDefaultAccessor: Bool { defaultText != nil && oneof == nil && !isRepeated }

  /// The number that libprotobuf-c knows it by. A delimited field has one beyond the range of field numbers.
  var libraryNumber: Int { isDelimited ? FieldDescriptor.firstPrivateNumber + number : number }

  /// Beyond what a .proto may have.
  private static let firstPrivateNumber = 1 << 29

  /// The one field of the message that the runtime reads an extension as.
  func asValueField() -> FieldDescriptor { FieldDescriptor(self, name: "value") }

  private init(_ field: FieldDescriptor, name: String) {
    self.name = name
    fullName = field.fullName
    number = field.number
    kind = field.kind
    isRepeated = field.isRepeated
    isRequired = field.isRequired
    typeName = field.typeName
    extendee = field.extendee
    oneof = nil
    hasPresence = field.hasPresence
    isPacked = field.isPacked
    isDelimited = field.isDelimited
    defaultText = field.defaultText
    isDeprecated = false
    isOfSource = false
    comment = ""
  }
}
