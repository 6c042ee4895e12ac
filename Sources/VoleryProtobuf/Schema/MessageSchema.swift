/// A message as its .proto declares it.
package final class MessageSchema: @unchecked Sendable {  // Isolation: constant
  package let fullName: String
  package let isMapEntry: Bool
  /// Names of oneofs, by index.
  package let oneofs: [String]
  /// By number.
  package let fields: [FieldSchema]
  private let byName: [String: FieldSchema]
  private let byProtoName: [String: FieldSchema]
  /// A message that JSON writes in a form of its own.
  let wellKnown: WellKnownMessage?
  /// The file that it is declared in.
  package internal(set) unowned(unsafe) var file: FileSchema!

  /// The message of an extension alone: its one field, which is read from the unknown fields of others.
  init(extension field: FieldSchema) {
    fullName = field.extensionName ?? ""
    isMapEntry = false
    oneofs = []
    fields = [field]
    byName = [field.name: field]
    byProtoName = byName
    wellKnown = nil
  }

  init(_ node: DescriptorNode, fullName: String, _ features: FeatureSet) {
    self.fullName = fullName
    let options = node.node(7)
    isMapEntry = options?.bool(7) ?? false
    let own = features.applying(options?.node(12))
    oneofs = node.nodes(8).map { $0.string(1) ?? "" }
    fields = node.nodes(2).compactMap { FieldSchema($0, own) }.sorted { $0.number < $1.number }
    var byName: [String: FieldSchema] = [:]
    for (index, field) in fields.enumerated() {
      field.index = index
      byName[field.name] = field
    }
    byProtoName = byName
    // Where one field's JSON name is another's own name, JSON means the former.
    for field in fields { byName[field.jsonName] = field }
    self.byName = byName
    wellKnown = WellKnownMessage(fullName: fullName)
  }

  /// By JSON name or by the .proto's.
  package func field(named name: String) -> FieldSchema? { byName[name] }

  /// By the .proto's name alone.
  package func field(protoName name: String) -> FieldSchema? { byProtoName[name] }

  package func field(numbered number: Int) -> FieldSchema? {
    var low = 0
    var high = fields.count
    while low < high {
      let middle = (low + high) / 2
      if fields[middle].number == number { return fields[middle] }
      if fields[middle].number < number { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  func resolve(in file: FileSchema, _ find: (String) -> SchemaType?) -> Bool {
    self.file = file
    return fields.allSatisfy { $0.resolve(find) }
  }
}
