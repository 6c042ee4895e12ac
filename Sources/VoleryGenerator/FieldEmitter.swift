/// The code of one field: its property, how it is read from C memory and how it is written there.
struct FieldEmitter {
  let field: FieldDescriptor
  let place: MessageLayout.Place
  let types: TypeTable
  /// The full names of the messages around, the field's own last.
  let scope: [String]
  /// The property, without backticks; of a member of a oneof, the case.
  let name: String
  let visibility: String

  init(_ field: FieldDescriptor, _ message: MessageContext, _ visibility: String) {
    self.field = field
    types = message.types
    scope = message.scope
    name = message.names.fields[field.number]!
    place = message.layout.places[field.number]!
    self.visibility = visibility
  }

  /// With backticks where it has to have them.
  var property: String { SwiftNames.escaped(name) }

  /// The stored variable: a deprecated property has another one behind it, which generated code may use in silence.
  func variable(isStored: Bool) -> String { field.isDeprecated && !isStored ? "_\(name)" : property }

  // MARK: Types

  /// The map entry's key and value; nil where the field is no map.
  var mapEntry: MapEntry? {
    get throws {
      guard field.kind == .message, field.isRepeated, let entry = try types[field.typeName].message, entry.isMapEntry,
        let key = entry.fields.first(where: { $0.number == 1 }),
        let value = entry.fields.first(where: { $0.number == 2 })
      else { return nil }
      return MapEntry(type: entry, key: key, value: value)
    }
  }

  struct MapEntry {
    let type: MessageDescriptor
    let key: FieldDescriptor
    let value: FieldDescriptor
  }

  func elementType(_ field: FieldDescriptor) throws -> String {
    if let scalar = field.kind.scalarName { return types.standard(scalar) }
    if field.kind == .bytes { return "[\(types.standard("UInt8"))]" }
    return try types.reference(field.typeName, in: scope)
  }

  var elementType: String { get throws { try elementType(field) } }

  var type: String {
    get throws {
      if let entry = try mapEntry { return "[\(try elementType(entry.key)): \(try elementType(entry.value))]" }
      if field.isRepeated { return "[\(try elementType)]" }
      return field.hasPresence ? "\(try elementType)?" : try elementType
    }
  }

  /// The type of a stored property that has no initial value: `T?` would have one, nil.
  var storedType: String {
    get throws { try mapEntry == nil && !field.isRepeated && field.hasPresence ? types.optional(elementType) : type }
  }

  var initialValue: String {
    get throws {
      if try mapEntry != nil { return "[:]" }
      if field.isRepeated { return "[]" }
      return field.hasPresence ? "nil" : try zero(field)
    }
  }

  func zero(_ field: FieldDescriptor) throws -> String {
    switch field.kind {
    case .bool: "false"
    case .string: "\"\""
    case .bytes: "[]"
    case .enum, .message: "\(try elementType(field))()"
    default: "0"
    }
  }

  func isClosedEnum(_ field: FieldDescriptor) throws -> Bool {
    field.kind == .enum ? try types[field.typeName].enumeration?.isClosed ?? false : false
  }

  // MARK: Property

  func emitVariable(_ out: inout CodeWriter) throws {
    out.line("var \(property): \(try type) = \(try initialValue)")
  }

  func emitProperty(_ out: inout CodeWriter, isStored: Bool) throws {
    out.comment(field.comment)
    if !isStored, !field.isDeprecated {
      return out.line("\(visibility)var \(property): \(try storedType)")
    }
    if field.isDeprecated { out.line("@available(*, deprecated)") }
    out.block("\(visibility)var \(property): \(try type)") { out in
      if isStored {
        out.line("get { self._s.storage.fields.\(property) }")
        out.line("_modify { yield &self._s.unique.\(property) }")
      } else {
        out.line("get { self._\(name) }")
        out.line("_modify { yield &self._\(name) }")
      }
    }
    if !isStored { out.line("private var _\(name): \(try storedType)") }
  }

  func emitDefault(_ accessor: String, _ source: String, _ out: inout CodeWriter) throws {
    let value = try DefaultValue(field, types).swift(type: try elementType)
    out.line("/// `\(name)`, or where it is not set the default that the .proto gives it.")
    if field.isDeprecated { out.line("@available(*, deprecated)") }
    out.line("\(visibility)var \(accessor): \(try elementType) { \(source) ?? \(value) }")
  }
}
