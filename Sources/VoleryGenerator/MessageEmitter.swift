/// A message and what is needed to write its code.
struct MessageContext {
  let message: MessageDescriptor
  let types: TypeTable
  /// The full names of the messages around it, and its own.
  let scope: [String]
  let names: MessageNames
  let layout: MessageLayout

  init(_ message: MessageDescriptor, _ types: TypeTable, outer: [String]) {
    self.message = message
    self.types = types
    scope = outer + [message.fullName]
    names = types.names(of: message)
    layout = MessageLayout(message)
  }
}

/// The Swift struct of a message.
struct MessageEmitter {
  let context: MessageContext
  let visibility: String
  /// Where the fields are: in the struct, or on the heap, shared by its copies.
  private let isStored: Bool
  private let fields: [FieldEmitter]
  private let oneofs: [OneofEmitter]
  private var types: TypeTable { context.types }

  init(_ message: MessageDescriptor, _ types: TypeTable, outer: [String] = [], visibility: String) {
    let context = MessageContext(message, types, outer: outer)
    self.context = context
    self.visibility = visibility
    isStored = types.isStored(message)
    let fields = message.fields.map { FieldEmitter($0, context, visibility) }
    self.fields = fields.filter { $0.field.oneof == nil }
    oneofs = context.layout.cases.keys.sorted().map { index in
      OneofEmitter(index, fields.filter { $0.field.oneof == index }, context, visibility)
    }
  }

  func emit(_ out: inout CodeWriter) throws {
    let message = context.message
    let name = try types[message.fullName].path.last!
    out.comment(message.comment)
    out.deprecation(message.isDeprecated)
    try out.block("\(visibility)nonisolated struct \(name): \(Runtime.message)") { out in
      try emitBody(&out, type: try types[message.fullName].index, in: try types[message.fullName].file)
      for value in message.enums {
        out.line()
        try EnumEmitter(value, types, visibility: visibility).emit(&out)
      }
      for inner in message.messages where !inner.isMapEntry {
        out.line()
        try MessageEmitter(inner, types, outer: context.scope, visibility: visibility).emit(&out)
      }
    }
  }

  /// The members, without nested types.
  func emitBody(_ out: inout CodeWriter, type index: Int, in file: FileDescriptor) throws {
    try emitProperties(&out)
    for oneof in oneofs { try oneof.emitType(&out) }
    if isStored { try emitFields(&out) }
    try emitInitializers(&out)
    try emitDefaults(&out)
    out.line()
    let string = types.standard("String")
    out.line("\(visibility)static var messageName: \(string) { \"\(context.message.fullName)\" }")
    out.line("\(visibility)static let _type = \(Runtime.messageType)(\(FileEmitter.tableName(file)), \(index))")
    try emitCoding(&out)
  }

  // MARK: Properties

  // Stored properties have no initial values: a decoder that may throw would hold a message with these in memory, and copy
  // it at the end.
  private func emitProperties(_ out: inout CodeWriter) throws {
    for field in fields { try field.emitProperty(&out, isStored: isStored) }
    for oneof in oneofs { oneof.emitProperty(&out, isStored: isStored) }
    if isStored {
      out.block("\(visibility)var unknownFields: \(Runtime.unknownFields)") { out in
        out.line("get { self._s.storage.fields.unknownFields }")
        out.line("_modify { yield &self._s.unique.unknownFields }")
      }
      out.line("private var _s: \(Runtime.stored)<_Fields>")
    } else {
      out.line("\(visibility)var unknownFields: \(Runtime.unknownFields)")
    }
  }

  private func emitFill(_ out: inout CodeWriter) throws {
    for field in fields { try field.emitFill("self.\(field.variable(isStored: isStored))", &out) }
    for oneof in oneofs { oneof.emitFill("self.", &out) }
    out.line("m.storeUnknown(self.unknownFields, c)")
  }

  private func emitFields(_ out: inout CodeWriter) throws {
    out.line()
    try out.block("nonisolated struct _Fields: \(types.standard("Hashable")), \(types.standard("Sendable"))") { out in
      for field in fields { try field.emitVariable(&out) }
      for oneof in oneofs { out.line("var \(oneof.property): \(oneof.type)? = nil") }
      out.line("var unknownFields = \(Runtime.unknownFields)()")
      out.line()
      out.line("init() {}")
      out.line()
      try out.block("func _fill(_ m: \(Runtime.mutableRawMessage), _ c: borrowing \(Runtime.encodeContext))") { out in
        try emitFill(&out)
      }
    }
  }

  private func emitInitializers(_ out: inout CodeWriter) throws {
    out.line()
    if isStored {
      out.line("private static let _empty = \(Runtime.stored)(\(Runtime.messageStorage)(_Fields()))")
      out.line()
      out.line("\(visibility)init() { self._s = Self._empty }")
    } else {
      try out.block("\(visibility)init()") { out in
        for field in fields { out.line("self.\(field.variable(isStored: false)) = \(try field.initialValue)") }
        for oneof in oneofs { out.line("self.\(oneof.property) = nil") }
        out.line("self.unknownFields = \(Runtime.unknownFields)()")
      }
    }
    let parameters =
      try fields.map { "\($0.property): \(try $0.type) = \(try $0.initialValue)" }
      + oneofs.map { "\($0.property): \($0.type)? = nil" }
    guard !parameters.isEmpty else { return }
    out.line()
    out.line("/// A message with these fields; what is left out is not set.")
    out.block("\(visibility)init(\(parameters.joined(separator: ", ")))") { out in
      // No property begins with an underscore and a letter.
      if isStored { out.line("let _s = \(Runtime.messageStorage)(_Fields())") }
      let target = isStored ? "_s.fields." : "self."
      for field in fields { out.line("\(target)\(field.variable(isStored: isStored)) = \(field.property)") }
      for oneof in oneofs { out.line("\(target)\(oneof.property) = \(oneof.property)") }
      out.line(
        isStored ? "self._s = \(Runtime.stored)(_s)" : "self.unknownFields = \(Runtime.unknownFields)()")
    }
  }

  private func emitDefaults(_ out: inout CodeWriter) throws {
    for field in fields {
      guard let accessor = context.names.defaults[field.field.number] else { continue }
      out.line()
      let source = isStored ? "self._s.storage.fields.\(field.property)" : "self.\(field.variable(isStored: false))"
      try field.emitDefault(accessor, source, &out)
    }
  }

  // MARK: Coding

  private func emitCoding(_ out: inout CodeWriter) throws {
    out.line()
    try out.block(
      "\(visibility)init(_ m: \(Runtime.rawMessage), _ c: borrowing \(Runtime.decodeContext)) throws(\(Runtime.error))"
    ) { out in
      if isStored { out.line("let s = \(Runtime.messageStorage)(_Fields())") }
      for field in fields { try field.emitRead(isStored: isStored, &out) }
      for oneof in oneofs { try oneof.emitRead(isStored: isStored, &out) }
      if isStored {
        out.line("if m.hasUnknownFields { s.fields.unknownFields = try m.unknownFields(c) }")
        return out.line("self._s = \(Runtime.stored)(s)")
      }
      out.line("let _unknownFields = try m.unknownFields(c)")
      for field in fields { out.line("self.\(field.variable(isStored: false)) = \(field.local)") }
      for oneof in oneofs { out.line("self.\(oneof.property) = \(oneof.local)") }
      out.line("self.unknownFields = _unknownFields")
    }
    out.line()
    try out.block(
      "\(visibility)func _fill(_ m: \(Runtime.mutableRawMessage), _ c: borrowing \(Runtime.encodeContext))"
    ) { out in
      if isStored { return out.line("self._s.storage.withFields { $0._fill(m, c) }") }
      try emitFill(&out)
    }
  }
}
