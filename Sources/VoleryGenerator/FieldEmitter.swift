/// The code of one field: its property, how it is read from C memory and how it is written there.
struct FieldEmitter {
  let field: FieldDescriptor
  let place: MessageLayout.Place
  let types: TypeTable
  /// Its type contains the message that it is in: kept on the heap.
  let isBoxed: Bool
  let visibility: String

  init(
    _ field: FieldDescriptor, in message: MessageDescriptor, _ layout: MessageLayout, _ types: TypeTable,
    _ visibility: String
  ) {
    self.field = field
    self.types = types
    self.visibility = visibility
    place = layout.places[field.number]!
    isBoxed =
      field.kind == .message && !field.isRepeated && field.oneof == nil
      && types.reaches(message.fullName, from: field.typeName)
  }

  var name: String { SwiftNames.property(field.name) }

  /// The map entry's key and value; nil where the field is no map.
  var mapEntry: (type: MessageDescriptor, key: FieldDescriptor, value: FieldDescriptor)? {
    get throws {
      guard field.kind == .message, field.isRepeated, let entry = try types[field.typeName].message, entry.isMapEntry,
        let key = entry.fields.first(where: { $0.number == 1 }),
        let value = entry.fields.first(where: { $0.number == 2 })
      else { return nil }
      return (entry, key, value)
    }
  }

  static func elementType(_ field: FieldDescriptor, _ types: TypeTable) throws -> String {
    if let scalar = field.kind.scalarName { return types.standard(scalar) }
    if field.kind == .bytes { return "[\(types.standard("UInt8"))]" }
    return try types[field.typeName].swiftName
  }

  var elementType: String { get throws { try FieldEmitter.elementType(field, types) } }

  var type: String {
    get throws {
      if let (_, key, value) = try mapEntry {
        return "[\(try FieldEmitter.elementType(key, types)): \(try FieldEmitter.elementType(value, types))]"
      }
      if field.isRepeated { return "[\(try elementType)]" }
      return field.hasPresence ? "\(try elementType)?" : try elementType
    }
  }

  var defaultValue: String {
    get throws {
      if try mapEntry != nil { return "[:]" }
      if field.isRepeated { return "[]" }
      return field.hasPresence ? "nil" : try zero(field)
    }
  }

  private func zero(_ field: FieldDescriptor) throws -> String {
    switch field.kind {
    case .bool: "false"
    case .string: "\"\""
    case .bytes: "[]"
    case .enum, .message, .group: "\(try FieldEmitter.elementType(field, types))()"
    default: "0"
    }
  }

  // MARK: Property

  func emitProperty(_ out: inout CodeWriter) throws {
    out.comment(field.comment)
    if field.isDeprecated { out.line("@available(*, deprecated)") }
    guard isBoxed else { return out.line("\(visibility)var \(name): \(try type) = \(try defaultValue)") }
    out.block("\(visibility)var \(name): \(try type)") { out in
      out.line("get { _\(field.name)?.value }")
      out.line("set { _\(field.name) = newValue.map { Indirect($0) } }")
    }
    out.line("private var _\(field.name): Indirect<\(try elementType)>?")
  }

  // MARK: Reading

  /// An expression for the value at an offset of the struct `source`.
  static func read(_ field: FieldDescriptor, _ source: String, _ offset: Int, _ types: TypeTable) throws -> String {
    switch field.kind {
    case .bool: "\(source).bool(\(offset))"
    case .string: "try \(source).string(\(offset))"
    case .bytes: "\(source).bytes(\(offset))"
    case .enum: "\(try elementType(field, types))(rawValue: \(source).load(\(offset)))"
    case .message, .group: "try c.message(\(source).pointer(\(offset))!)"
    default:
      // The type is said: inferred from an optional property it would be an Optional.
      "\(source).load(\(offset), \(types.standard(field.kind.scalarName!)).self)"
    }
  }

  func emitRead(_ out: inout CodeWriter) throws {
    if let (_, key, value) = try mapEntry {
      return try emitMapRead(&out, key, value)
    }
    if field.isRepeated { return out.line("self.\(name) = \(try repeatedRead)") }
    if field.kind == .message {
      let value = isBoxed ? "self._\(field.name) = Indirect(try c.message(p))" : "self.\(name) = try c.message(p)"
      return out.line("if let p = m.pointer(\(place.value)) { \(value) }")
    }
    let value = try FieldEmitter.read(field, "m", place.value, types)
    if field.hasPresence {
      out.line("if m.has(\(place.quantifier)) { self.\(name) = \(value) }")
    } else if field.kind == .enum {
      out.line("if m.has(\(place.quantifier)) { self.\(name) = \(value) }")
    } else {
      out.line("self.\(name) = \(value)")
    }
  }

  private var repeatedRead: String {
    get throws {
      let at = "\(place.quantifier), \(place.value)"
      switch field.kind {
      case .bool: return "m.bools(\(at))"
      case .string: return "try m.strings(\(at))"
      case .bytes: return "m.bytesArray(\(at))"
      case .message, .group: return "try m.messages(\(at), c)"
      case .enum: return "m.elements(\(at), \(types.standard("Int32")).self).map { .init(rawValue: $0) }"
      default: return "m.array(\(at), \(try elementType).self)"
      }
    }
  }

  private func emitMapRead(_ out: inout CodeWriter, _ key: FieldDescriptor, _ value: FieldDescriptor) throws {
    let layout = MessageLayout(try mapEntry!.type)
    let keyAt = layout.places[1]!.value
    let valueAt = layout.places[2]!
    try out.block("for p in m.elements(\(place.quantifier), \(place.value), UnsafeRawPointer.self)") { out in
      out.line("let e = RawMessage(p)")
      let read = try FieldEmitter.read(value, "e", valueAt.value, types)
      let element = value.kind == .enum ? "e.has(\(valueAt.quantifier)) ? \(read) : \(try zero(value))" : read
      if value.kind == .message {
        out.line("var value = \(try zero(value))")
        out.line("if let p = e.pointer(\(valueAt.value)) { value = try c.message(p) }")
        out.line("self.\(name)[\(try FieldEmitter.read(key, "e", keyAt, types))] = value")
      } else {
        out.line("self.\(name)[\(try FieldEmitter.read(key, "e", keyAt, types))] = \(element)")
      }
    }
  }

  // MARK: Writing

  /// A statement that stores the value `value` at an offset of the struct `target`.
  static func store(_ field: FieldDescriptor, _ target: String, _ offset: Int, _ value: String) -> String {
    switch field.kind {
    case .string, .bytes: "\(target).store(\(offset), \(value), c)"
    case .enum: "\(target).store(\(offset), \(value).rawValue)"
    case .message, .group: "\(target).store(\(offset), message: \(value), c)"
    default: "\(target).store(\(offset), \(value))"
    }
  }

  func emitFill(_ out: inout CodeWriter) throws {
    if let (entry, key, value) = try mapEntry { return try emitMapFill(&out, entry, key, value) }
    let at = "\(place.quantifier), \(place.value)"
    if field.isRepeated {
      switch field.kind {
      case .message, .group: out.line("m.storeMessages(\(at), self.\(name), c)")
      case .enum: out.line("if !self.\(name).isEmpty { m.storeArray(\(at), self.\(name).map(\\.rawValue), c) }")
      default: out.line("m.storeArray(\(at), self.\(name), c)")
      }
      return
    }
    if field.kind == .message {
      let value = isBoxed ? "self._\(field.name)?.value" : "self.\(name)"
      return out.line("if let v = \(value) { m.store(\(place.value), message: v, c) }")
    }
    let has = "m.setHas(\(place.quantifier))"
    if field.hasPresence {
      out.line("if let v = self.\(name) { \(FieldEmitter.store(field, "m", place.value, "v")); \(has) }")
    } else {
      let store = FieldEmitter.store(field, "m", place.value, "self.\(name)")
      out.line("if \(isSet("self.\(name)")) { \(store); \(has) }")
    }
  }

  private func isSet(_ value: String) -> String {
    switch field.kind {
    case .bool: value
    case .string, .bytes: "!\(value).isEmpty"
    case .enum: "\(value).rawValue != 0"
    case .float, .double: "\(value).bitPattern != 0"
    default: "\(value) != 0"
    }
  }

  private func emitMapFill(
    _ out: inout CodeWriter, _ entry: MessageDescriptor, _ key: FieldDescriptor, _ value: FieldDescriptor
  ) throws {
    let layout = MessageLayout(entry)
    let type = try types[entry.fullName]
    let keyPlace = layout.places[1]!
    let valuePlace = layout.places[2]!
    out.block(
      "m.storeMap(\(place.quantifier), \(place.value), self.\(name), MessageType(\(FileEmitter.tableName(type.file)), \(type.index)), c)"
    ) { out in
      out.line("e, k, v in")
      out.line("\(FieldEmitter.store(key, "e", keyPlace.value, "k")); e.setHas(\(keyPlace.quantifier))")
      let hasValue = value.kind == .message ? "" : "; e.setHas(\(valuePlace.quantifier))"
      out.line("\(FieldEmitter.store(value, "e", valuePlace.value, "v"))\(hasValue)")
    }
  }
}
