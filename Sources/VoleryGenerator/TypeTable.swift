/// Every message and enum of the request: its Swift name, and where its code is.
struct TypeTable {
  struct Entry {
    let swiftName: String
    let file: FileDescriptor
    let message: MessageDescriptor?
    let enumeration: EnumDescriptor?
    /// Its place in the file's table.
    let index: Int
  }

  private var entries: [String: Entry] = [:]
  /// Names of Swift's own types that some type of the request has taken.
  private var taken: Set<String> = []

  private let files: [String: FileDescriptor]

  init(_ files: [FileDescriptor], _ options: PluginOptions) {
    self.files = Dictionary(files.map { ($0.name, $0) }) { first, _ in first }
    for file in files {
      let prefix = TypeTable.prefix(of: file, options)
      var index = 0
      for message in file.messages { add(message, TypeTable.topLevelName(message.name, prefix), file, &index) }
      for value in file.enums { add(value, TypeTable.topLevelName(value.name, prefix), file) }
    }
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

  private mutating func add(_ message: MessageDescriptor, _ name: String, _ file: FileDescriptor, _ index: inout Int) {
    entries[message.fullName] = Entry(swiftName: name, file: file, message: message, enumeration: nil, index: index)
    taken.insert(message.name)
    index += 1
    for inner in message.messages { add(inner, "\(name).\(SwiftNames.type(inner.name))", file, &index) }
    for value in message.enums { add(value, "\(name).\(SwiftNames.type(value.name))", file) }
  }

  private mutating func add(_ value: EnumDescriptor, _ name: String, _ file: FileDescriptor) {
    entries[value.fullName] = Entry(swiftName: name, file: file, message: nil, enumeration: value, index: 0)
    taken.insert(value.name)
  }

  func file(named name: String) -> FileDescriptor? { files[name] }

  subscript(fullName: String) -> Entry {
    get throws {
      guard let entry = entries[fullName] else { throw PluginError("the type \(fullName) is not in the request") }
      return entry
    }
  }

  /// A type of Swift's standard library, qualified where the .proto has a type of that name.
  func standard(_ name: String) -> String { taken.contains(name) ? "Swift.\(name)" : name }

  /// Whether a message can contain itself through singular fields from `type` back to `message`.
  func reaches(_ message: String, from type: String) -> Bool {
    var seen: Set<String> = []
    var open = [type]
    while let next = open.popLast() {
      if next == message { return true }
      guard seen.insert(next).inserted, let descriptor = entries[next]?.message else { continue }
      open += descriptor.fields.filter { $0.kind == .message && !$0.isRepeated }.map(\.typeName)
    }
    return false
  }
}
