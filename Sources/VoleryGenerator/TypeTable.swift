/// Every message and enum of the request: its Swift name, and where its code is.
struct TypeTable {
  struct Entry {
    /// From the top: `Order.Line`.
    let path: [String]
    let file: FileDescriptor
    let message: MessageDescriptor?
    let enumeration: EnumDescriptor?
    /// Its place in the file's table.
    let index: Int

    var swiftName: String { path.joined(separator: ".") }
  }

  /// An extension of a message, and the message of one field that it is read as.
  struct Extension {
    let field: FieldDescriptor
    let message: MessageDescriptor
    /// The place of the message in the file's table.
    let index: Int
    let typeName: String
    let property: String
    let defaultProperty: String
  }

  /// The aliases that the file being written needs.
  let aliases = Aliases()
  private var entries: [String: Entry] = [:]
  private var names: [String: MessageNames] = [:]
  private var extensions: [String: [Extension]] = [:]
  /// Names of types anywhere in the request: those of Swift's that are among them have to be qualified.
  private var taken: Set<String> = []
  private var topLevel = NameScope()
  /// What each file imports publicly.
  private(set) var publicDependencies: [String: [String]] = [:]
  private var storage: [String: Bool] = [:]

  private let files: [String: FileDescriptor]

  init(_ files: [FileDescriptor], _ options: PluginOptions) throws {
    self.files = Dictionary(files.map { ($0.name, $0) }) { first, _ in first }
    for file in files {
      let prefix = TypeTable.prefix(of: file, options)
      var index = 0
      for message in file.messages {
        let name = TypeTable.topLevelName(message.name, prefix)
        try add(message, [name], file, &index)
      }
      for value in file.enums { add(value, [TypeTable.topLevelName(value.name, prefix)], file) }
    }
    for file in files {
      addExtensions(file, options)
      publicDependencies[file.name] = file.publicDependencies
    }
    decideStorage()
  }

  private static func topLevelName(_ name: String, _ prefix: String) -> String {
    prefix.isEmpty ? SwiftNames.type(name) : prefix + name
  }

  static func prefix(of file: FileDescriptor, _ options: PluginOptions) -> String {
    if let prefix = file.swiftPrefix { return prefix }
    // Names such as Duration, Any and Type would hide Swift's own.
    if WellKnownFiles.packages.contains(file.package) || options.prefix == .package {
      return file.package.split(separator: ".").map { SwiftNames.upperFirst(SwiftNames.lowerCamel(String($0))) + "_" }
        .joined()
    }
    if case .fixed(let text) = options.prefix { return text }
    return ""
  }

  private mutating func add(
    _ message: MessageDescriptor, _ path: [String], _ file: FileDescriptor, _ index: inout Int
  ) throws {
    guard entries[message.fullName] == nil else { throw PluginError("\(message.fullName) is defined twice") }
    entries[message.fullName] = Entry(path: path, file: file, message: message, enumeration: nil, index: index)
    let names = MessageNames(message)
    self.names[message.fullName] = names
    taken.insert(path.last!)
    taken.formUnion(names.oneofTypes.values)
    if path.count == 1 { _ = topLevel.claim(path[0], suffix: "") }
    index += 1
    for inner in message.messages {
      // The entries of maps have no Swift type, only a place in the table.
      try add(inner, path + [names.types[inner.name] ?? inner.name], file, &index)
    }
    for value in message.enums { add(value, path + [names.types[value.name]!], file) }
  }

  private mutating func add(_ value: EnumDescriptor, _ path: [String], _ file: FileDescriptor) {
    entries[value.fullName] = Entry(path: path, file: file, message: nil, enumeration: value, index: 0)
    taken.insert(path.last!)
    if path.count == 1 { _ = topLevel.claim(path[0], suffix: "") }
  }

  // MARK: Look-up

  func file(named name: String) -> FileDescriptor? { files[name] }

  subscript(fullName: String) -> Entry {
    get throws {
      guard let entry = entries[fullName] else { throw PluginError("the type \(fullName) is not in the request") }
      return entry
    }
  }

  /// How a type is written within the messages `scope` (full names, from the outermost on). Where one of them has a type
  /// of its own that hides it, that is an alias at the top of the file.
  func reference(_ fullName: String, in scope: [String]) throws -> String {
    let entry = try self[fullName]
    let isHidden = scope.contains { names[$0]?.hasType(entry.path[0]) == true }
    return isHidden ? aliases.name(of: entry.path) : entry.swiftName
  }

  func names(of message: MessageDescriptor) -> MessageNames { names[message.fullName] ?? MessageNames(message) }

  /// A type of Swift's standard library, qualified where the .proto has a type of that name.
  func standard(_ name: String) -> String { taken.contains(name) ? "Swift.\(name)" : name }

  /// An optional type in its long form: a variable of this has no initial value.
  func optional(_ type: String) -> String { "\(standard("Optional"))<\(type)>" }

  /// A name for a service whose `NameClient`, `NameService` and `NameMethods` no message has.
  func serviceName(_ name: String) -> String {
    var own = name
    while ["Client", "Service", "Methods"].contains(where: { topLevel.contains(own + $0) }) { own += "_p" }
    return own
  }

  /// Whether a message can contain itself through singular fields from `type` back to `message`.
  private func reaches(_ message: String, from type: String) -> Bool {
    var seen: Set<String> = []
    var open = [type]
    while let next = open.popLast() {
      if next == message { return true }
      guard seen.insert(next).inserted, let descriptor = entries[next]?.message else { continue }
      open += descriptor.fields.filter { $0.kind == .message && !$0.isRepeated }.map(\.typeName)
    }
    return false
  }

  /// Whether something is true of a message or of any that its fields lead to.
  func anywhere(below message: MessageDescriptor, _ isTrue: (MessageDescriptor) throws -> Bool) throws -> Bool {
    var seen: Set<String> = []
    var open = [message]
    while let next = open.popLast() {
      if try isTrue(next) { return true }
      guard seen.insert(next.fullName).inserted else { continue }
      open += try next.fields.filter { $0.kind == .message }.compactMap { try self[$0.typeName].message }
    }
    return false
  }

  // MARK: Extensions

  func extensions(of file: FileDescriptor) -> [Extension] { extensions[file.name] ?? [] }

  /// Extensions of what there is Swift code of. Options of descriptor.proto, which most extensions are for, have none
  /// unless a module mapping says where.
  private mutating func addExtensions(_ file: FileDescriptor, _ options: PluginOptions) {
    let messages = allMessages(file.messages)
    for field in file.extensions + messages.flatMap(\.extensions) {
      guard let extended = entries[field.extendee], let message = extended.message, !message.isMessageSet else {
        continue
      }
      let isOption = extended.file.name == "google/protobuf/descriptor.proto"
      if isOption, options.modules[extended.file.name] == nil { continue }
      let index = messages.count + (extensions[file.name]?.count ?? 0)
      var names = names[field.extendee]!
      let name = SwiftNames.upperCamel(field.name)
      let type = names.claimType("\(name)Extension")
      let property = names.claimMember(SwiftNames.lowerCamel(field.name), suffix: "_\(field.number)")
      let accessor = names.claimMember("\(property)OrDefault", suffix: "_\(field.number)")
      self.names[message.fullName] = names
      extensions[file.name, default: []].append(
        Extension(
          field: field, message: MessageDescriptor(extensionOf: field), index: index, typeName: type,
          property: property, defaultProperty: accessor))
    }
  }

  // MARK: Storage

  /// Whether the message's fields are on the heap, shared by its copies.
  func isStored(_ message: MessageDescriptor) -> Bool { storage[message.fullName] ?? false }

  /// A message with more fields than this, counting those of the messages in it, is stored: from here on a copy costs
  /// more than an allocation.
  private static let largestInline = 12

  private mutating func decideStorage() {
    for (name, entry) in entries {
      guard let message = entry.message else { continue }
      let subs = message.fields.filter { $0.kind == .message && !$0.isRepeated }
      if subs.contains(where: { reaches(name, from: $0.typeName) }) { storage[name] = true }
    }
    for entry in entries.values { if let message = entry.message { _ = weight(message, depth: 0) } }
  }

  /// How many values a copy of the message copies.
  private mutating func weight(_ message: MessageDescriptor, depth: Int) -> Int {
    // So deep it is large in any case, and a request may come from anywhere.
    if storage[message.fullName] == true || depth > 100 { return 1 }
    var weight = 1
    var oneofs: [Int: Int] = [:]
    for field in message.fields {
      var own = 1
      if field.kind == .message, !field.isRepeated, let sub = entries[field.typeName]?.message {
        own = self.weight(sub, depth: depth + 1)
      }
      if let oneof = field.oneof { oneofs[oneof] = max(oneofs[oneof] ?? 0, own) } else { weight += own }
    }
    weight += oneofs.values.reduce(0, +)
    storage[message.fullName] = weight > TypeTable.largestInline
    return weight > TypeTable.largestInline ? 1 : weight
  }
}
