/// Writes a message's bytes as canonical JSON, by the schema.
struct JSONPrinter {
  var text = JSONText()
  let options: JSONEncodingOptions
  /// Where types that `Any` holds are looked for.
  let file: FileSchema
  private var extensions: ExtensionTable

  init(_ options: JSONEncodingOptions, _ file: FileSchema) {
    self.options = options
    self.file = file
    extensions = ExtensionTable(file)
  }

  mutating func message(
    _ bytes: UnsafeRawBufferPointer, _ schema: MessageSchema, depth: Int
  ) throws(MessageTextError) {
    guard depth <= DecodeOptions.defaultMaximumDepth else {
      throw MessageTextError(.tooDeep(limit: DecodeOptions.defaultMaximumDepth))
    }
    if let wellKnown = schema.wellKnown { return try self.wellKnown(bytes, wellKnown, depth: depth) }
    text.append("{")
    var isFirst = true
    try members(bytes, schema, depth: depth, &isFirst)
    text.append("}")
  }

  /// The members of the message's object, after others where `isFirst` is false.
  mutating func members(
    _ bytes: UnsafeRawBufferPointer, _ schema: MessageSchema, depth: Int, _ isFirst: inout Bool
  ) throws(MessageTextError) {
    let runs: [ArraySlice<FieldRecords.Record>]
    do throws(ProtobufError) {
      runs = try FieldRecords(bytes, schema, &extensions, depth: depth).runs
    } catch { throw MessageTextError(error) }
    var next = 0
    for run in runs {
      let field = run[run.startIndex].field
      if field.extensionName == nil {
        defaults(of: schema, next..<field.index, &isFirst)
        next = field.index + 1
      }
      name(field, &isFirst)
      try values(field, run, depth: depth)
    }
    defaults(of: schema, next..<schema.fields.count, &isFirst)
  }

  mutating func separate(_ isFirst: inout Bool) {
    if !isFirst { text.append(",") }
    isFirst = false
  }

  private mutating func name(_ field: FieldSchema, _ isFirst: inout Bool) {
    separate(&isFirst)
    // A json_name may be any text.
    text.string(options.usesProtoFieldNames ? field.name : field.jsonName)
    text.append(":")
  }

  private mutating func values(
    _ field: FieldSchema, _ records: ArraySlice<FieldRecords.Record>, depth: Int
  ) throws(MessageTextError) {
    if field.isMap { return try map(field.message, records, depth: depth) }
    guard field.isRepeated else { return try singular(field, records, depth: depth) }
    text.append("[")
    var isFirst = true
    for record in records {
      if field.kind.isMessage {
        separate(&isFirst)
        try message(FieldSchema.content(record.value), field.message, depth: depth + 1)
        continue
      }
      for value in try scalars(field, record.value) {
        separate(&isFirst)
        try scalar(field, value)
      }
    }
    text.append("]")
  }

  private mutating func singular(
    _ field: FieldSchema, _ records: ArraySlice<FieldRecords.Record>, depth: Int
  ) throws(MessageTextError) {
    guard field.kind.isMessage else { return try scalar(field, field.scalar(records.last!.value)) }
    guard records.count > 1 else {
      return try message(FieldSchema.content(records.first!.value), field.message, depth: depth + 1)
    }
    // The pieces of a message are one message.
    try records.flatMap { Array(FieldSchema.content($0.value)) }.withBytes { bytes throws(MessageTextError) in
      try message(bytes, field.message, depth: depth + 1)
    }
  }

  private func scalars(_ field: FieldSchema, _ value: WireReader.Value) throws(MessageTextError) -> [WireScalar] {
    do throws(ProtobufError) { return try field.scalars(value) } catch { throw MessageTextError(error) }
  }

  private mutating func scalar(_ field: FieldSchema, _ value: WireScalar) throws(MessageTextError) {
    do throws(ProtobufError) {
      try text.scalar(value, field, enumsAsNumbers: options.writesEnumsAsNumbers)
    } catch { throw MessageTextError("\(field.name): \(error)") }
  }

  // MARK: Maps

  private mutating func map(
    _ entry: MessageSchema, _ records: ArraySlice<FieldRecords.Record>, depth: Int
  ) throws(MessageTextError) {
    guard let key = entry.field(numbered: 1), let value = entry.field(numbered: 2) else { return }
    let entries: [MapEntries.Entry]
    do throws(ProtobufError) {
      entries = try MapEntries(records, entry, depth: depth).entries
    } catch { throw MessageTextError(error) }
    text.append("{")
    var isFirst = true
    for entry in entries {
      separate(&isFirst)
      try mapKey(key, entry.key)
      text.append(":")
      if !entry.values.isEmpty {
        try singular(value, entry.values, depth: depth)
      } else if value.kind.isMessage {
        try message(UnsafeRawBufferPointer(start: nil, count: 0), value.message, depth: depth + 1)
      } else {
        try scalar(value, value.zero)
      }
    }
    text.append("}")
  }

  private mutating func mapKey(_ field: FieldSchema, _ key: WireScalar) throws(MessageTextError) {
    switch key {
    case .signed(let number): text.quoted(String(number))
    case .unsigned(let number): text.quoted(String(number))
    case .bool(let isTrue): text.quoted(isTrue ? "true" : "false")
    default: try scalar(field, key)
    }
  }

  // MARK: Defaults

  private mutating func defaults(of schema: MessageSchema, _ indices: Range<Int>, _ isFirst: inout Bool) {
    guard options.includesDefaultValues else { return }
    for index in indices where !schema.fields[index].hasPresence {
      let field = schema.fields[index]
      name(field, &isFirst)
      if field.isRepeated {
        field.isMap ? text.append("{}") : text.append("[]")
      } else {
        // No default is invalid text.
        try? scalar(field, field.zero)
      }
    }
  }
}

extension FieldSchema {
  /// The value of a field without presence that is not set.
  var zero: WireScalar {
    switch kind {
    case .double: .double(0)
    case .float: .float(0)
    case .int32, .int64, .sint32, .sint64, .sfixed32, .sfixed64: .signed(0)
    case .uint32, .uint64, .fixed32, .fixed64: .unsigned(0)
    case .bool: .bool(false)
    case .enum: .enumeration(enumeration.first)
    case .string: .string(UnsafeRawBufferPointer(start: nil, count: 0))
    case .bytes, .message, .group: .bytes(UnsafeRawBufferPointer(start: nil, count: 0))
    }
  }
}
