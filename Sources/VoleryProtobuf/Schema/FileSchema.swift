package enum SchemaType {
  case message(MessageSchema)
  case enumeration(EnumSchema)
}

/// What one .proto declares, read once from the descriptor that its generated code carries.
package final class FileSchema: Sendable {
  package let name: String
  package let dependencies: [FileSchema]
  private let types: [String: SchemaType]
  package let messages: [MessageSchema]
  package let extensions: [FieldSchema]
  private let extensionMessages: [String: MessageSchema]

  init(_ table: FileTable) {
    let node = DescriptorNode(table.fileDescriptor)
    name = node.string(1) ?? ""
    dependencies = table.dependencies.map(\.schema)
    let features = FeatureSet(file: node)
    var types: [String: SchemaType] = [:]
    var messages: [MessageSchema] = []
    var extensions: [FieldSchema] = []
    func add(message: DescriptorNode, _ scope: String, _ features: FeatureSet) {
      let fullName = scope + (message.string(1) ?? "")
      let schema = MessageSchema(message, fullName: fullName, features)
      types[fullName] = .message(schema)
      messages.append(schema)
      let own = features.applying(message.node(7)?.node(12))
      for inner in message.nodes(3) { add(message: inner, fullName + ".", own) }
      for inner in message.nodes(4) { add(enumeration: inner, fullName + ".", own) }
      extensions += message.nodes(6).compactMap { FieldSchema($0, own, extensionIn: fullName + ".") }
    }
    func add(enumeration: DescriptorNode, _ scope: String, _ features: FeatureSet) {
      let fullName = scope + (enumeration.string(1) ?? "")
      types[fullName] = .enumeration(EnumSchema(enumeration, fullName: fullName, features))
    }
    let package = node.string(2) ?? ""
    let scope = package.isEmpty ? "" : package + "."
    for message in node.nodes(4) { add(message: message, scope, features) }
    for enumeration in node.nodes(5) { add(enumeration: enumeration, scope, features) }
    extensions += node.nodes(7).compactMap { FieldSchema($0, features, extensionIn: scope) }
    let find = { [dependencies] (name: String) in
      types[name] ?? dependencies.lazy.compactMap { $0.types[name] }.first
    }
    // Options have types that nobody has generated, often: those extensions stay unknown.
    self.extensions = extensions.filter { $0.resolve(find) }
    extensionMessages = Dictionary(
      self.extensions.map { ($0.extensionName!, MessageSchema(extension: $0)) }
    ) { first, _ in first }
    self.types = types
    self.messages = messages
    for message in extensionMessages.values { _ = message.resolve(in: self, find) }
    for message in messages {
      let isComplete = message.resolve(in: self, find)
      // The plugin links every file whose types are used.
      precondition(isComplete, "\(name) uses a type that none of its linked files has")
    }
  }

  /// A message of this file, or the one that stands for an extension.
  package func message(named fullName: String) -> MessageSchema? {
    if case .message(let schema)? = types[fullName] { schema } else { extensionMessages[fullName] }
  }

  /// This file and those that it imports, directly or not.
  var reachableFiles: [FileSchema] {
    var seen: Set<ObjectIdentifier> = []
    var open = [self]
    var found: [FileSchema] = []
    while let next = open.popLast() {
      guard seen.insert(ObjectIdentifier(next)).inserted else { continue }
      found.append(next)
      open += next.dependencies
    }
    return found
  }

  /// A message of this file or of those that it imports, directly or not.
  package func reachableMessage(named fullName: String) -> MessageSchema? {
    reachableFiles.lazy.compactMap { $0.message(named: fullName) }.first
  }
}
