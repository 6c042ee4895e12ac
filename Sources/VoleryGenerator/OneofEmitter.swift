/// The enum of a oneof, its property, and how it gets to C memory and back.
struct OneofEmitter {
  private let index: Int
  private let members: [FieldEmitter]
  private let context: MessageContext
  private let visibility: String
  let type: String
  /// With backticks where it has to have them.
  let property: String

  init(_ index: Int, _ members: [FieldEmitter], _ context: MessageContext, _ visibility: String) {
    self.index = index
    self.members = members
    self.context = context
    self.visibility = visibility
    type = context.names.oneofTypes[index]!
    property = SwiftNames.escaped(context.names.oneofs[index]!)
  }

  func emitProperty(_ out: inout CodeWriter, isStored: Bool) {
    out.comment(context.message.oneofComments[index] ?? "")
    guard isStored else { return out.line("\(visibility)var \(property): \(context.types.optional(type))") }
    out.block("\(visibility)var \(property): \(type)?") { out in
      out.line("get { self._s.storage.fields.\(property) }")
      out.line("_modify { yield &self._s.unique.\(property) }")
    }
  }

  func emitType(_ out: inout CodeWriter) throws {
    let protocols = "\(context.types.standard("Hashable")), \(context.types.standard("Sendable"))"
    out.line()
    out.line("/// What `\(context.names.oneofs[index]!)` holds: one of these.")
    try out.block("\(visibility)nonisolated enum \(type): \(protocols)") { out in
      for member in members {
        out.comment(member.field.comment)
        out.deprecation(member.field.isDeprecated)
        out.line("case \(member.property)(\(try member.elementType))")
      }
    }
  }

  /// See `FieldEmitter.local`.
  var local: String { "_\(context.names.oneofs[index]!)" }

  func emitRead(isStored: Bool, _ out: inout CodeWriter) throws {
    let target = isStored ? "s.fields.\(property)" : local
    if !isStored { out.line("let \(target): \(type)?") }
    try out.block("switch m.load(\(context.layout.cases[index]!), \(context.types.standard("Int32")).self)") { out in
      for member in members {
        let value = try member.read(member.field, "m", member.place.value)
        out.line("case \(member.field.libraryNumber): \(target) = .\(member.name)(\(value))")
      }
      out.line("default: \(isStored ? "break" : "\(target) = nil")")
    }
  }

  func emitFill(_ target: String, _ out: inout CodeWriter) {
    out.block("switch \(target)\(property)") { out in
      out.line("case nil: break")
      for member in members {
        let store = FieldEmitter.store(member.field, "m", member.place.value, "v")
        let number = member.field.libraryNumber
        out.line("case .\(member.name)(let v)?: \(store); m.setCase(\(context.layout.cases[index]!), \(number))")
      }
    }
  }
}
