struct MessageDescriptor {
  let name: String
  let fullName: String
  let fields: [FieldDescriptor]
  /// `extend` blocks within the message; what they extend is another one.
  let extensions: [FieldDescriptor]
  let oneofs: [String]
  let oneofComments: [Int: String]
  let messages: [MessageDescriptor]
  let enums: [EnumDescriptor]
  let isMapEntry: Bool
  /// Whether its extensions are on the wire as items of a set, each in a group of number 1 (message_set_wire_format). The
  /// items stay among the unknown fields, byte for byte.
  let isMessageSet: Bool
  let isDeprecated: Bool
  let comment: String

  init(_ node: Node, _ outer: Scope, location: [Int]) throws {
    name = node.string(1) ?? ""
    fullName = outer.fullName(name)
    comment = outer.comments[location]
    // Before it goes deeper.
    guard outer.path.count < 200 else { throw PluginError("\(fullName): too many messages within one another") }
    let options = try node.node(7)
    isMapEntry = options?.bool(7) ?? false
    isDeprecated = options?.bool(3) ?? false
    isMessageSet = options?.bool(1) ?? false
    var scope = outer.inside(name)
    scope.features = try scope.features.applying(try options?.node(12), fullName)
    scope.isMapEntry = isMapEntry
    for inner in try node.nodes(3) where try inner.node(7)?.bool(7) == true {
      scope.mapEntries.insert(scope.fullName(inner.string(1) ?? ""))
    }
    let oneofNodes = try node.nodes(8)
    oneofs = oneofNodes.map { $0.string(1) ?? "" }
    oneofComments = Dictionary(
      uniqueKeysWithValues: oneofNodes.indices.map { ($0, outer.comments[location + [8, $0]]) })
    scope.oneofFeatures = try oneofNodes.map { try $0.node(2)?.node(1) }
    fields = try FieldDescriptor.all(node.nodes(2), scope, location: location + [2])
    extensions = try FieldDescriptor.all(node.nodes(6), scope, location: location + [6])
    var messages: [MessageDescriptor] = []
    for (index, message) in try node.nodes(3).enumerated() {
      messages.append(try MessageDescriptor(message, scope, location: location + [3, index]))
    }
    self.messages = messages
    var enums: [EnumDescriptor] = []
    for (index, value) in try node.nodes(4).enumerated() {
      enums.append(try EnumDescriptor(value, scope, location: location + [4, index]))
    }
    self.enums = enums
    try check()
  }

  /// What protoc makes sure of, and code here relies on: requests may come from elsewhere.
  private func check() throws {
    guard Set(fields.map(\.number)).count == fields.count else {
      throw PluginError("\(fullName): two fields have the same number")
    }
    for field in fields {
      guard field.oneof.map(oneofs.indices.contains) ?? true else {
        throw PluginError("\(field.fullName): there is no such oneof")
      }
    }
    let isEntry = fields.map(\.number).sorted() == [1, 2] && !fields.contains { $0.isRepeated || $0.oneof != nil }
    guard !isMapEntry || isEntry else { throw PluginError("\(fullName): not the entry of a map") }
  }
}

extension MessageDescriptor {
  /// The message of one field that the runtime reads an extension as.
  init(extensionOf field: FieldDescriptor) {
    name = field.name
    fullName = field.fullName
    fields = [field.asValueField()]
    extensions = []
    oneofs = []
    oneofComments = [:]
    messages = []
    enums = []
    isMapEntry = false
    isMessageSet = false
    isDeprecated = false
    comment = ""
  }
}
