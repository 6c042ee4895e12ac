/// The Swift struct of a message.
struct MessageEmitter {
  let message: MessageDescriptor
  let types: TypeTable
  let visibility: String
  private let layout: MessageLayout

  init(_ message: MessageDescriptor, _ types: TypeTable, visibility: String) {
    self.message = message
    self.types = types
    self.visibility = visibility
    layout = MessageLayout(message)
  }

  private var fields: [FieldEmitter] {
    message.fields.map { FieldEmitter($0, in: message, layout, types, visibility) }
  }

  private var usedOneofs: [Int] { layout.cases.keys.sorted() }

  private func members(of oneof: Int) -> [FieldEmitter] { fields.filter { $0.field.oneof == oneof } }

  private func oneofType(_ index: Int) -> String {
    let name = SwiftNames.upperCamel(message.oneofs[index])
    let inner = message.messages.map(\.name) + message.enums.map(\.name)
    return inner.contains(name) || name == SwiftNames.type(message.name) ? "\(name)OneOf" : SwiftNames.type(name)
  }

  func emit(_ out: inout CodeWriter) throws {
    out.comment(message.comment)
    if message.isDeprecated { out.line("@available(*, deprecated)") }
    let name = try types[message.fullName].swiftName.split(separator: ".").last!
    try out.block("\(visibility)nonisolated struct \(name): Message") { out in
      try emitProperties(&out)
      try emitInitializers(&out)
      try emitCoding(&out)
      for value in message.enums {
        out.line()
        try EnumEmitter(value, types, visibility: visibility).emit(&out)
      }
      for inner in message.messages where !inner.isMapEntry {
        out.line()
        try MessageEmitter(inner, types, visibility: visibility).emit(&out)
      }
    }
  }

  private func emitProperties(_ out: inout CodeWriter) throws {
    for field in fields where field.field.oneof == nil { try field.emitProperty(&out) }
    for oneof in usedOneofs {
      out.line("\(visibility)var \(SwiftNames.property(message.oneofs[oneof])): \(oneofType(oneof))?")
    }
    out.line("\(visibility)var unknownFields = UnknownFields()")
    for oneof in usedOneofs { try emitOneof(oneof, &out) }
  }

  private func emitOneof(_ oneof: Int, _ out: inout CodeWriter) throws {
    let members = members(of: oneof)
    let isRecursive = members.contains {
      $0.field.kind == .message && types.reaches(message.fullName, from: $0.field.typeName)
    }
    out.line()
    try out.block(
      "\(visibility)nonisolated \(isRecursive ? "indirect " : "")enum \(oneofType(oneof)): Hashable, Sendable"
    ) { out in
      for member in members {
        out.comment(member.field.comment)
        out.line("case \(member.name)(\(try member.elementType))")
      }
    }
  }

  private func emitInitializers(_ out: inout CodeWriter) throws {
    out.line()
    out.line("\(visibility)init() {}")
    var parameters: [String] = []
    var names: [String] = []
    for field in fields where field.field.oneof == nil {
      parameters.append("\(field.name): \(try field.type) = \(try field.defaultValue)")
      names.append(field.name)
    }
    for oneof in usedOneofs {
      let name = SwiftNames.property(message.oneofs[oneof])
      parameters.append("\(name): \(oneofType(oneof))? = nil")
      names.append(name)
    }
    guard !parameters.isEmpty else { return }
    out.line()
    out.block("\(visibility)init(\(parameters.joined(separator: ", ")))") { out in
      for name in names { out.line("self.\(name) = \(name)") }
    }
  }

  private func emitCoding(_ out: inout CodeWriter) throws {
    let type = try types[message.fullName]
    out.line()
    out.line("\(visibility)static let messageName = \"\(message.fullName)\"")
    out.line("\(visibility)static let _type = MessageType(\(FileEmitter.tableName(type.file)), \(type.index))")
    out.line()
    try out.block("\(visibility)init(_ m: RawMessage, _ c: borrowing DecodeContext) throws(ProtobufError)") { out in
      for field in fields where field.field.oneof == nil { try field.emitRead(&out) }
      for oneof in usedOneofs { try emitOneofRead(oneof, &out) }
      out.line("self.unknownFields = try m.unknownFields()")
    }
    out.line()
    try out.block("\(visibility)func _fill(_ m: MutableRawMessage, _ c: borrowing EncodeContext)") { out in
      for field in fields where field.field.oneof == nil { try field.emitFill(&out) }
      for oneof in usedOneofs { emitOneofFill(oneof, &out) }
      out.line("m.storeUnknown(self.unknownFields, c)")
    }
  }

  private func emitOneofRead(_ oneof: Int, _ out: inout CodeWriter) throws {
    let property = SwiftNames.property(message.oneofs[oneof])
    try out.block("switch m.load(\(layout.cases[oneof]!), \(types.standard("Int32")).self)") { out in
      for member in members(of: oneof) {
        let value = try FieldEmitter.read(member.field, "m", member.place.value, types)
        out.line("case \(member.field.number): self.\(property) = .\(member.name)(\(value))")
      }
      out.line("default: break")
    }
  }

  private func emitOneofFill(_ oneof: Int, _ out: inout CodeWriter) {
    let property = SwiftNames.property(message.oneofs[oneof])
    out.block("switch self.\(property)") { out in
      out.line("case nil: break")
      for member in members(of: oneof) {
        let store = FieldEmitter.store(member.field, "m", member.place.value, "v")
        out.line("case .\(member.name)(let v)?: \(store); m.setCase(\(layout.cases[oneof]!), \(member.field.number))")
      }
    }
  }
}
