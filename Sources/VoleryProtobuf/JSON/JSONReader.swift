import VoleryTypes

/// Reads a message from JSON, by the schema, into the wire format.
struct JSONReader {
  var scanner: JSONScanner
  var out = WireWriter()
  let options: JSONDecodingOptions
  /// Where types that `Any` holds are looked for.
  let file: FileSchema
  /// Where the "@type" of objects was seen that were passed over, by where they start; see `typeURL`.
  var typesSeen: [Int: Int] = [:]
  var seenUpTo = 0
  private var extensions: ExtensionTable

  init(_ text: UnsafeBufferPointer<UInt8>, _ options: JSONDecodingOptions, _ file: FileSchema) {
    scanner = JSONScanner(text)
    self.options = options
    self.file = file
    extensions = ExtensionTable(file)
  }

  func error(_ what: String) -> JSONError { scanner.error(what) }

  func error(_ field: FieldSchema, _ what: String) -> JSONError { scanner.error("\(field.name): \(what)") }

  mutating func message(_ schema: MessageSchema, depth: Int) throws(JSONError) {
    guard depth <= options.maxDepth else { throw error("more than \(options.maxDepth) levels") }
    if let wellKnown = schema.wellKnown { return try self.wellKnown(wellKnown, schema, depth: depth) }
    try object(schema, depth: depth)
  }

  /// - Parameter isInAny: One member "@type" is not the message's.
  mutating func object(_ schema: MessageSchema, depth: Int, isInAny: Bool = false) throws(JSONError) {
    try scanner.expect("{")
    if scanner.skip("}") { return }
    var seen = SmallSet()
    var oneofs = SmallSet()
    var hasType = false
    var extensionsSeen: Set<Int> = []
    repeat {
      _ = scanner.peek()
      let name = try scanner.string()
      try scanner.expect(":")
      if let field = schema.field(named: name) {
        guard seen.insert(field.index) else { throw error(field, "the field is there twice") }
        try member(field, &oneofs, schema, depth: depth)
      } else if name.hasPrefix("["), name.hasSuffix("]"),
        let field = extensions.field(of: schema.fullName, named: String(name.dropFirst().dropLast()))
      {
        guard extensionsSeen.insert(field.number).inserted else { throw error(field, "the field is there twice") }
        try member(field, &oneofs, schema, depth: depth)
      } else if isInAny, name == "@type", !hasType {
        hasType = true
        _ = try scanner.string()
      } else if options.ignoresUnknownFields {
        try scanner.skipValue(depth: depth + 1, maxDepth: options.maxDepth)
      } else {
        throw error("\(schema.fullName) has no field \"\(name)\"")
      }
    } while try scanner.continues(until: "}")
  }

  private mutating func member(
    _ field: FieldSchema, _ oneofs: inout SmallSet, _ schema: MessageSchema, depth: Int
  ) throws(JSONError) {
    if scanner.peek() == UInt8(ascii: "n"), field.isRepeated || !field.takesNull {
      guard scanner.skip(word: "null") else { throw error("not JSON") }
      return
    }
    if let oneof = field.oneof {
      guard oneofs.insert(oneof) else {
        throw error(field, "another member of the oneof \(schema.oneofs[oneof]) is there already")
      }
    }
    if field.isMap {
      try map(field, depth: depth)
    } else if field.isRepeated {
      try list(field, depth: depth)
    } else {
      let start = out.count
      try single(field, depth: depth)
      guard !field.hasPresence, out.count > start else { return }
      if out.isZero(from: start + WireWriter.tagByteCount(field.number)) { out.truncate(to: start) }
    }
  }

  /// A value with its tag.
  mutating func single(_ field: FieldSchema, depth: Int) throws(JSONError) {
    let start = out.count
    out.tag(field.number, wireType: field.kind.wireType)
    switch field.kind {
    case .message:
      let length = out.beginLength()
      try message(field.message, depth: depth + 1)
      out.endLength(length)
    case .group:
      try message(field.message, depth: depth + 1)
      out.tag(field.number, wireType: 4)
    default:
      if try !scalar(field) { out.truncate(to: start) }
    }
  }

  private mutating func list(_ field: FieldSchema, depth: Int) throws(JSONError) {
    try scanner.expect("[")
    if scanner.skip("]") { return }
    var packed: Int?
    if field.isPacked {
      out.tag(field.number, wireType: 2)
      packed = out.beginLength()
    }
    repeat {
      if scanner.peek() == UInt8(ascii: "n"), !field.takesNull { throw error(field, "null can't be in a list") }
      if packed != nil { _ = try scalar(field) } else { try single(field, depth: depth) }
    } while try scanner.continues(until: "]")
    if let packed { out.endLength(packed) }
  }

  // MARK: Maps

  private mutating func map(_ field: FieldSchema, depth: Int) throws(JSONError) {
    guard let key = field.message.field(numbered: 1), let value = field.message.field(numbered: 2) else { return }
    try scanner.expect("{")
    if scanner.skip("}") { return }
    var keys: Set<String> = []
    repeat {
      _ = scanner.peek()
      let name = try scanner.string()
      guard keys.insert(name).inserted else { throw error(field, "the key \"\(name)\" is there twice") }
      try scanner.expect(":")
      let start = out.count
      out.tag(field.number, wireType: 2)
      let length = out.beginLength()
      try mapKey(key, name, field)
      if scanner.peek() == UInt8(ascii: "n"), !value.takesNull { throw error(field, "null can't be in a map") }
      let valueStart = out.count
      try single(value, depth: depth)
      // An unknown enum value that is ignored takes its key with it.
      if out.count == valueStart { out.truncate(to: start) } else { out.endLength(length) }
    } while try scanner.continues(until: "}")
  }

  private mutating func mapKey(_ key: FieldSchema, _ text: String, _ field: FieldSchema) throws(JSONError) {
    out.tag(1, wireType: key.kind.wireType)
    switch key.kind {
    case .string: out.content(text.utf8)
    case .bool:
      guard text == "true" || text == "false" else { throw error(field, "the key \"\(text)\" is no bool") }
      out.varint(text == "true" ? 1 : 0)
    default:
      var text = text
      let isInteger = text.withUTF8 { bytes in
        // Other forms of numbers would make several keys of one.
        bytes.allSatisfy { $0 == UInt8(ascii: "-") || $0 &- 0x30 < 10 } && JSONNumber.isWhole(bytes)
          && integer(key, bytes)
      }
      guard isInteger else { throw error(field, "the key \"\(text)\" is no number of the key's type") }
    }
  }
}

extension FieldSchema {
  /// Whether `null` is a value of the field: in all others it means that the field is not set.
  var takesNull: Bool {
    if kind.isMessage { return message.wellKnown == .value }
    return kind == .enum && enumeration.fullName == WellKnownMessage.nullValueName
  }
}

/// A set of small numbers, without an allocation for the first 64.
struct SmallSet {
  private var low: UInt64 = 0
  private var high: [UInt64] = []

  /// False when it is there already.
  mutating func insert(_ number: Int) -> Bool {
    let bit: UInt64 = 1 << UInt64(number & 63)
    guard number >= 64 else {
      defer { low |= bit }
      return low & bit == 0
    }
    let word = number / 64 - 1
    while high.count <= word { high.append(0) }
    defer { high[word] |= bit }
    return high[word] & bit == 0
  }
}
