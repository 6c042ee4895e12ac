/// The Swift of an extension: a message of one field for the runtime, and a property of the message that it extends.
struct ExtensionEmitter {
  let value: TypeTable.Extension
  let types: TypeTable
  let file: FileDescriptor
  let visibility: String

  func emit(_ out: inout CodeWriter) throws {
    let extended = try types.swiftName(value.field.extendee)
    out.line()
    try out.block("extension \(extended)") { out in
      let field = FieldEmitter(
        value.message.fields[0], MessageContext(value.message, types, outer: [value.field.extendee]), "")
      try emitProperty(field, &out)
      out.line()
      try emitMessage(extended, &out)
    }
  }

  private func emitProperty(_ field: FieldEmitter, _ out: inout CodeWriter) throws {
    out.comment(value.field.comment)
    if value.field.isDeprecated { out.line("@available(*, deprecated)") }
    let property = SwiftNames.escaped(value.property)
    out.block("\(visibility)nonisolated var \(property): \(try field.type)") { out in
      out.line("get { self._extension(\(value.typeName).self) }")
      out.line("set { self._setExtension(\(value.typeName).self, newValue) }")
    }
    guard value.field.hasDefaultAccessor else { return }
    let text = try DefaultValue(value.field, types).swift(type: try field.elementType)
    out.line()
    out.line("/// `\(value.property)`, or where it is not set the default that the .proto gives it.")
    out.line("\(visibility)nonisolated var \(value.defaultProperty): \(try field.elementType) {")
    out.line("  self._extension(\(value.typeName).self) ?? \(text)")
    out.line("}")
  }

  private func emitMessage(_ extended: String, _ out: inout CodeWriter) throws {
    let emitter = MessageEmitter(value.message, types, outer: [value.field.extendee], visibility: visibility)
    out.line("/// The extension `\(value.field.fullName)`, for `value(of:)`.")
    try out.block("\(visibility)nonisolated struct \(value.typeName): \(Runtime.messageExtension)") { out in
      out.line("\(visibility)typealias ExtendedMessage = \(extended)")
      out.line("\(visibility)static var fieldNumber: \(types.standard("Int")) { \(value.field.number) }")
      out.line()
      try emitter.emitBody(&out, type: value.index, in: file)
    }
  }
}
