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
    /// The module that has it, where that is not the one that is generated.
    let module: String?
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
  /// All that the request has, options among them, by what they extend and their number.
  private var allExtensions: [String: [Int: FieldDescriptor]] = [:]
  /// By file.
  private var fileNames: [String: FileNames] = [:]
  /// Names of types anywhere in the request: those of Swift's that are among them have to be qualified.
  private var taken: Set<String> = []
  /// The modules that have a top-level type of a name; nil is the one that is generated.
  private var modules: [String: Set<String?>] = [:]
  private let options: PluginOptions
  /// What each file imports publicly.
  private(set) var publicDependencies: [String: [String]] = [:]
  private var storage: [String: Bool] = [:]

  private let files: [String: FileDescriptor]

  /// - Parameter generated: The files whose code is made in this run.
  init(_ files: [FileDescriptor], _ options: PluginOptions, generated: Set<String>) throws {
    self.options = options
    self.files = Dictionary(files.map { ($0.name, $0) }) { first, _ in first }
    for file in files {
      guard fileNames[file.name] == nil else { throw PluginError("\(file.name) is twice in the request") }
      let names = try FileNames(file, options)
      fileNames[file.name] = names
      var index = 0
      for message in file.messages { try add(message, [names.types[message.name]!], file, &index) }
      for value in file.enums { add(value, [names.types[value.name]!], file) }
      publicDependencies[file.name] = file.publicDependencies
      for name in names.types.values { modules[name, default: []].insert(options.moduleOrWellKnown(of: file.name)) }
    }
    addExtensions(files, options)
    decideStorage()
    try checkTopLevel(files.filter { generated.contains($0.name) })
  }

  /// That what is generated, and what it uses of files that this module has, too, has names of its own.
  private func checkTopLevel(_ generated: [FileDescriptor]) throws {
    var names = ModuleNames()
    for file in generated.sorted(by: { $0.name < $1.name }) {
      if options.shippedModule(of: file.name) != nil { continue }
      let own = fileNames[file.name]!
      if options.messages {
        for name in file.messages.map(\.name) {
          try names.add(own.types[name]!, "message \(file.fullName(name))", of: file)
        }
        for name in file.enums.map(\.name) { try names.add(own.types[name]!, "enum \(file.fullName(name))", of: file) }
      }
      guard options.services else { continue }
      for service in file.services {
        for part in own.services[service.name]!.all { try names.add(part, "service \(service.fullName)", of: file) }
      }
    }
    for name in generated.flatMap(FileDependencies.usedTypes).sorted() {
      guard let entry = entries[name], entry.module == nil else { continue }
      let what = entry.path.count > 1 ? "message" : entry.message == nil ? "enum" : "message"
      let top = entry.file.messages.first { name == $0.fullName || name.hasPrefix($0.fullName + ".") }?.fullName ?? name
      try names.add(entry.path[0], "\(what) \(top)", of: entry.file)
    }
  }

  private mutating func add(
    _ message: MessageDescriptor, _ path: [String], _ file: FileDescriptor, _ index: inout Int
  ) throws {
    guard entries[message.fullName] == nil else { throw PluginError("\(message.fullName) is defined twice") }
    entries[message.fullName] = Entry(
      path: path, file: file, message: message, enumeration: nil, index: index,
      module: options.moduleOrWellKnown(of: file.name))
    let names = MessageNames(message)
    self.names[message.fullName] = names
    taken.insert(path.last!)
    taken.formUnion(names.oneofTypes.values)
    index += 1
    for inner in message.messages {
      // The entries of maps have no Swift type, only a place in the table.
      try add(inner, path + [names.types[inner.name] ?? inner.name], file, &index)
    }
    for value in message.enums { add(value, path + [names.types[value.name]!], file) }
  }

  private mutating func add(_ value: EnumDescriptor, _ path: [String], _ file: FileDescriptor) {
    entries[value.fullName] = Entry(
      path: path, file: file, message: nil, enumeration: value, index: 0,
      module: options.moduleOrWellKnown(of: file.name))
    taken.insert(path.last!)
  }

  // MARK: Look-up

  func file(named name: String) -> FileDescriptor? { files[name] }

  subscript(fullName: String) -> Entry {
    get throws {
      guard let entry = entries[fullName] else { throw PluginError("the type \(fullName) is not in the request") }
      return entry
    }
  }

  /// How a type is written at the top of a file: with its module where this one, or another, has a type of that name.
  func swiftName(_ fullName: String) throws -> String { path(of: try self[fullName]).joined(separator: ".") }

  private func path(of entry: Entry) -> [String] {
    guard let module = entry.module, module != aliases.module, modules[entry.path[0], default: []].count > 1 else {
      return entry.path
    }
    return [module] + entry.path
  }

  /// How a type is written within the messages `scope` (full names, from the outermost on). Where one of them has a type
  /// of its own that hides it, that is an alias at the top of the file.
  func reference(_ fullName: String, in scope: [String]) throws -> String {
    let path = path(of: try self[fullName])
    let isHidden = scope.contains { names[$0]?.hasType(path[0]) == true }
    return isHidden ? aliases.name(of: path, taken) : path.joined(separator: ".")
  }

  func names(of message: MessageDescriptor) -> MessageNames { names[message.fullName] ?? MessageNames(message) }

  /// A type of Swift's standard library, qualified where the .proto has a type of that name.
  func standard(_ name: String) -> String { taken.contains(name) ? "Swift.\(name)" : name }

  /// The private protocol of an enum with deprecated cases.
  func deprecatedProtocol(of path: [String]) -> String { aliases.deprecatedProtocol(of: path, taken) }

  /// An optional type in its long form: a variable of this has no initial value.
  func optional(_ type: String) -> String { "\(standard("Optional"))<\(type)>" }

  func names(of service: ServiceDescriptor, in file: FileDescriptor) -> FileNames.Service {
    fileNames[file.name]!.services[service.name]!
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

  /// A file's descriptor as generated code has it.
  func descriptor(of file: FileDescriptor) throws -> [UInt8] {
    try CanonicalDescriptor(
      field: { name, number in
        allExtensions[name]?[number] ?? entries[name]?.message?.fields.first { $0.number == number }
      },
      isMapEntry: { entries[$0]?.message?.isMapEntry ?? false }
    ).bytes(of: file)
  }

  // MARK: Extensions

  func extensions(of file: FileDescriptor) -> [Extension] { extensions[file.name] ?? [] }

  /// Extensions of what there is Swift code of. Options of descriptor.proto, which most extensions are for, have none
  /// unless a module mapping says where.
  private mutating func addExtensions(_ files: [FileDescriptor], _ options: PluginOptions) {
    var found: [(field: FieldDescriptor, file: FileDescriptor, index: Int)] = []
    for file in files {
      let messages = allMessages(file.messages)
      var index = messages.count
      for field in file.extensions + messages.flatMap(\.extensions) {
        allExtensions[field.extendee, default: [:]][field.number] = field
        guard let extended = entries[field.extendee], let message = extended.message, !message.isMessageSet else {
          continue
        }
        let isOption = extended.file.name == FileDescriptor.descriptorProto
        if isOption, options.modules[extended.file.name] == nil { continue }
        found.append((field, file, index))
        index += 1
      }
    }
    var named: [String: Extension] = [:]
    // By number, as fields: whichever file comes first.
    for (field, _, index) in found.sorted(by: {
      ($0.field.number, $0.field.fullName) < ($1.field.number, $1.field.fullName)
    }) {
      var names = names[field.extendee]!
      let name = SwiftNames.upperCamel(field.name)
      let type = names.claimType("\(name)Extension", number: field.number)
      let property = names.claimMember(SwiftNames.lowerCamel(field.name), number: field.number)
      let accessor = names.claimMember("\(property)OrDefault", number: field.number)
      self.names[field.extendee] = names
      named[field.fullName] = Extension(
        field: field, message: MessageDescriptor(extensionOf: field), index: index, typeName: type,
        property: property, defaultProperty: accessor)
    }
    for (field, file, _) in found { extensions[file.name, default: []].append(named[field.fullName]!) }
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
