/// How a message is written in text format.
public struct TextFormatOptions: Sendable {
  /// Also fields that the .proto does not know, by their numbers.
  public var includesUnknownFields = true
  /// What `google.protobuf.Any` may hold, to write it out instead of its bytes.
  public var types = TypeRegistry()

  /// Unknown fields are written, and what `Any` holds by the types that need no registering.
  public init() {}
}

/// Writes a message's bytes in text format (protobuf.dev, Text Format Language Specification), by the schema.
struct TextFormatPrinter {
  private(set) var text = TextFormatText()
  let options: TextFormatOptions
  /// Where types that `Any` holds are looked for.
  let file: FileSchema
  private var extensions: ExtensionTable

  init(_ options: TextFormatOptions, _ file: FileSchema) {
    self.options = options
    self.file = file
    extensions = ExtensionTable(file)
  }

  /// The fields of a message, a line each.
  mutating func fields(_ bytes: UnsafeRawBufferPointer, _ schema: MessageSchema, depth: Int) throws(ProtobufError) {
    guard depth <= DecodeOptions.defaultMaximumDepth else { throw .tooDeep(limit: DecodeOptions.defaultMaximumDepth) }
    if schema.wellKnown == .any, try any(bytes, depth: depth) { return }
    let records = try FieldRecords(bytes, schema, &extensions, depth: depth)
    for run in records.runs {
      let field = run[run.startIndex].field
      if field.isMap {
        for entry in try MapEntries(run, field.message, depth: depth).entries { try map(field, entry, depth: depth) }
      } else if field.kind.isMessage {
        try messages(field, run, depth: depth)
      } else {
        for record in field.isRepeated ? run : run.suffix(1) {
          for value in try field.scalars(record.value) {
            text.name(field.name, depth)
            text.scalar(value, field)
            text.endLine()
          }
        }
      }
    }
    if options.includesUnknownFields { unknown(records.unknown, depth: depth) }
  }

  private mutating func messages(
    _ field: FieldSchema, _ run: ArraySlice<FieldRecords.Record>, depth: Int
  ) throws(ProtobufError) {
    guard !field.isRepeated, run.count > 1 else {
      for record in run {
        text.open(field.textName, depth)
        try fields(FieldSchema.content(record.value), field.message, depth: depth + 1)
        text.close(depth)
      }
      return
    }
    // The pieces of a message are one message.
    let whole = run.flatMap { Array(FieldSchema.content($0.value)) }
    text.open(field.textName, depth)
    try whole.withBytes { bytes throws(ProtobufError) in try fields(bytes, field.message, depth: depth + 1) }
    text.close(depth)
  }

  private mutating func map(_ field: FieldSchema, _ entry: MapEntries.Entry, depth: Int) throws(ProtobufError) {
    guard let key = field.message.field(numbered: 1), let value = field.message.field(numbered: 2) else { return }
    text.open(field.name, depth)
    text.name("key", depth + 1)
    text.scalar(entry.key, key)
    text.endLine()
    if value.kind.isMessage {
      text.open("value", depth + 1)
      for record in entry.values {
        try fields(FieldSchema.content(record.value), value.message, depth: depth + 2)
      }
      text.close(depth + 1)
    } else {
      text.name("value", depth + 1)
      text.scalar(entry.values.last.map { value.scalar($0.value) } ?? value.zero, value)
      text.endLine()
    }
    text.close(depth)
  }

  /// Writes what an `Any` holds; false where its type is not known, or its content is not of that type.
  private mutating func any(_ bytes: UnsafeRawBufferPointer, depth: Int) throws(ProtobufError) -> Bool {
    var reader = WireReader(bytes)
    var url = ""
    var content = UnsafeRawBufferPointer(start: nil, count: 0)
    while let field = try reader.next(depth: depth) {
      switch (field.number, field.value) {
      case (1, .bytes(let value)): url = String(decoding: value, as: UTF8.self)
      case (2, .bytes(let value)): content = value
      default: return false
      }
    }
    guard let name = TypeRegistry.messageName(ofTypeURL: url), url.utf8.allSatisfy(\.isTypeURLByte),
      let schema = options.types.schema(named: name, from: file)
    else { return false }
    let start = text
    do {
      text.open("[\(url)]", depth)
      try fields(content, schema, depth: depth + 1)
      text.close(depth)
      return true
    } catch {
      text = start
      return false
    }
  }

  // MARK: Unknown fields

  /// Bytes are tried as a message only so deep: nobody knows whether they are one.
  private static let guessedDepth = 10

  private mutating func unknown(_ fields: [WireReader.Field], depth: Int, guesses: Int = 0) {
    for field in fields {
      let name = String(field.number)
      switch field.value {
      case .varint(let value): text.line(name, String(value), depth)
      case .fixed32(let value): text.line(name, TextFormatText.hexadecimal(UInt64(value), 8), depth)
      case .fixed64(let value): text.line(name, TextFormatText.hexadecimal(value, 16), depth)
      case .group(let content): unknownMessage(name, TextFormatPrinter.fields(in: content) ?? [], depth, guesses)
      case .bytes(let content):
        if !content.isEmpty, guesses < TextFormatPrinter.guessedDepth,
          let inner = TextFormatPrinter.fields(in: content)
        {
          unknownMessage(name, inner, depth, guesses + 1)
        } else {
          text.name(name, depth)
          text.string(content, isText: false)
          text.endLine()
        }
      }
    }
  }

  private mutating func unknownMessage(_ name: String, _ fields: [WireReader.Field], _ depth: Int, _ guesses: Int) {
    text.open(name, depth)
    unknown(fields, depth: depth + 1, guesses: guesses)
    text.close(depth)
  }

  private static func fields(in content: UnsafeRawBufferPointer) -> [WireReader.Field]? {
    var reader = WireReader(content)
    var fields: [WireReader.Field] = []
    do {
      while let field = try reader.next() { fields.append(field) }
      return fields
    } catch { return nil }
  }
}

extension FieldSchema {
  /// A group of proto2 goes by the name of its type.
  var textName: String {
    guard kind == .group, extensionName == nil, let type = message.fullName.split(separator: ".").last else {
      return name
    }
    return type.lowercased() == name ? String(type) : name
  }
}

extension UInt8 {
  fileprivate var isTypeURLByte: Bool {
    self | 0x20 &- UInt8(ascii: "a") < 26 || self &- 0x30 < 10 || "-_./~!$&()*+,;=%".utf8.contains(self)
  }
}
