// How a field gets from C memory into the Swift value, and back.

extension FieldEmitter {
  // MARK: Reading

  /// An expression for the value at an offset of the struct `source`.
  func read(_ field: FieldDescriptor, _ source: String, _ offset: Int) throws -> String {
    switch field.kind {
    case .bool: "\(source).bool(\(offset))"
    case .string: "try \(source).string(\(offset))"
    case .bytes: "\(source).bytes(\(offset), c)"
    case .enum: try enumValue(field, "\(source).load(\(offset))")
    case .message: "try c.message(\(source).pointer(\(offset))!)"
    default:
      // The type is said: inferred from an optional property it would be an Optional.
      "\(source).load(\(offset), \(types.standard(field.kind.scalarName!)).self)"
    }
  }

  /// Of a closed enum only numbers that it has get here: the others are unknown fields.
  private func enumValue(_ field: FieldDescriptor, _ number: String) throws -> String {
    let type = try elementType(field)
    return try isClosedEnum(field) ? "\(type)(rawValue: \(number)) ?? \(type)()" : "\(type)(rawValue: \(number))"
  }

  /// What a message that has its fields in itself reads a field into: only once all are read the message's fields
  /// are set. A message with fields that are set while reading may still fail is copied at the end.
  var local: String { "_\(name)" }

  /// - Parameter isStored: Whether the field is one of the storage `s`, which has its initial value already; else a local
  ///   constant is made.
  func emitRead(isStored: Bool, _ out: inout CodeWriter) throws {
    let target = isStored ? "s.fields.\(property)" : local
    if let entry = try mapEntry { return try emitMapRead(target, isStored: isStored, entry, &out) }
    let isAlwaysThere =
      !field.isRepeated && !field.hasPresence && ![.enum, .string, .bytes, .message].contains(field.kind)
    if isAlwaysThere {
      return out.line("\(isStored ? "" : "let ")\(target) = \(try read(field, "m", place.value))")
    }
    var absent = field.isRequired ? ["try c.missing(\"\(field.fullName)\")"] : []
    if !isStored {
      absent.append("\(target) = \(try initialValue)")
      out.line("let \(target): \(try type)")
    }
    let otherwise = absent.isEmpty ? "" : " else { \(absent.joined(separator: "; ")) }"
    if field.isRepeated {
      // What is empty already is not assigned: that would cost a call.
      out.line("if m.has(\(place.quantifier)) { \(target) = \(try repeatedRead) }\(otherwise)")
    } else if field.kind == .message {
      out.line("if let p = m.pointer(\(place.value)) { \(target) = try c.message(p) }\(otherwise)")
    } else {
      out.line("if m.has(\(place.quantifier)) { \(target) = \(try read(field, "m", place.value)) }\(otherwise)")
    }
  }

  private var repeatedRead: String {
    get throws {
      let at = "\(place.quantifier), \(place.value)"
      switch field.kind {
      case .bool: return "m.bools(\(at))"
      case .string: return "try m.strings(\(at))"
      case .bytes: return "m.bytesArray(\(at), c)"
      case .message: return "try m.messages(\(at), c)"
      case .enum: return "m.elements(\(at), \(types.standard("Int32")).self).map { \(try enumValue(field, "$0")) }"
      default: return "m.array(\(at), \(try elementType).self)"
      }
    }
  }

  private func emitMapRead(
    _ target: String, isStored: Bool, _ entry: MapEntry, _ out: inout CodeWriter
  ) throws {
    let layout = MessageLayout(entry.type)
    let key = try read(entry.key, "e", layout.places[1]!.value)
    let place = layout.places[2]!
    let value = try read(entry.value, "e", place.value)
    let zero = try zero(entry.value)
    let at = "\(self.place.quantifier), \(self.place.value)"
    let type = try type
    if !isStored { out.line("var \(target): \(type) = [:]") }
    try out.block("if m.has(\(self.place.quantifier))") { out in
      out.line("let entries = m.elements(\(at), \(Runtime.rawMessage).self)")
      out.line("var map = \(type)(minimumCapacity: entries.count)")
      try out.block("for e in entries") { out in
        out.line("try e.checkUnknownFields(c)")
        switch entry.value.kind {
        case .message:
          out.line("var value = \(zero)")
          // An entry without a value has an empty message, which may lack required fields of its own.
          let required = try types[entry.value.typeName].message?.fields.first(where: \.isRequired)
          let missing = required.map { " else { try c.missing(\"\($0.fullName)\") }" } ?? ""
          out.line("if let p = e.pointer(\(place.value)) { value = try c.message(p) }\(missing)")
          out.line("map[\(key)] = value")
        case .enum: out.line("map[\(key)] = e.has(\(place.quantifier)) ? \(value) : \(zero)")
        default: out.line("map[\(key)] = \(value)")
        }
      }
      out.line("\(target) = map")
    }
  }

  // MARK: Writing

  /// A statement that stores the value `value` at an offset of the struct `target`.
  static func store(_ field: FieldDescriptor, _ target: String, _ offset: Int, _ value: String) -> String {
    switch field.kind {
    case .string, .bytes: "\(target).store(\(offset), \(value), c)"
    case .enum: "\(target).store(\(offset), \(value).rawValue)"
    case .message: "\(target).store(\(offset), message: \(value), c)"
    default: "\(target).store(\(offset), \(value))"
    }
  }

  func emitFill(_ property: String, _ out: inout CodeWriter) throws {
    if let entry = try mapEntry { return try emitMapFill(property, entry, &out) }
    let at = "\(place.quantifier), \(place.value)"
    if field.isRepeated {
      switch field.kind {
      case .message: out.line("m.storeMessages(\(at), \(property), c)")
      case .enum: out.line("m.storeArray(\(at), \(property), c) { $0.rawValue }")
      default: out.line("m.storeArray(\(at), \(property), c)")
      }
      return
    }
    let missing = field.isRequired ? " else { c.missing(\"\(field.fullName)\") }" : ""
    if field.kind == .message {
      return out.line("if let v = \(property) { m.store(\(place.value), message: v, c) }\(missing)")
    }
    let has = "m.setHas(\(place.quantifier))"
    if field.hasPresence {
      out.line("if let v = \(property) { \(FieldEmitter.store(field, "m", place.value, "v")); \(has) }\(missing)")
    } else {
      let store = FieldEmitter.store(field, "m", place.value, property)
      out.line("if \(isSet(property)) { \(store); \(has) }")
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

  private func emitMapFill(_ property: String, _ map: MapEntry, _ out: inout CodeWriter) throws {
    let layout = MessageLayout(map.type)
    let type = try types[map.type.fullName]
    let key = layout.places[1]!
    let value = layout.places[2]!
    let entryType = "\(Runtime.messageType)(\(FileEmitter.tableName(type.file)), \(type.index))"
    out.block("m.storeMap(\(place.quantifier), \(place.value), \(property), \(entryType), c)") { out in
      out.line("e, k, v in")
      out.line("\(FieldEmitter.store(map.key, "e", key.value, "k")); e.setHas(\(key.quantifier))")
      let hasValue = map.value.kind == .message ? "" : "; e.setHas(\(value.quantifier))"
      out.line("\(FieldEmitter.store(map.value, "e", value.value, "v"))\(hasValue)")
    }
  }
}
