/// The table of a file's messages, from which the runtime makes what libprotobuf-c wants (see VoleryProtobuf.FileTable).
struct TableEmitter {
  let file: FileDescriptor
  let types: TypeTable
  let extensions: [TypeTable.Extension]
  let dependencies: FileDependencies
  let visibility: String

  var messages: [MessageDescriptor] { allMessages(file.messages) + extensions.map(\.message) }

  /// What rows refer to.
  private struct References {
    var imports: [String] = []
    var closedEnums: [[Int]] = []

    /// Where an item is, added if need be.
    static func place<Item: Equatable>(_ item: Item, in list: inout [Item]) -> Int {
      if let index = list.firstIndex(of: item) { return index }
      list.append(item)
      return list.count - 1
    }
  }

  func emit(_ out: inout CodeWriter) throws {
    var references = References()
    var rows: [String] = []
    for message in messages {
      let layout = MessageLayout(message)
      let fields = message.fields.sorted { $0.libraryNumber < $1.libraryNumber }
      let entries = try fields.map { try entry($0, layout, &references) }
      rows.append(
        ([layout.size, fields.count, try flags(message)] + entries.flatMap { $0 }).map(String.init)
          .joined(separator: ", "))
    }
    out.line()
    out.line("\(visibility)nonisolated let \(FileEmitter.tableName(file)) = \(Runtime.fileTable)(")
    out.line("  format: .version2,")
    out.line("  schema: [")
    for row in rows { out.line("    \(row),") }
    out.line("  ],")
    out.line("  imports: [\(references.imports.map { "\($0)._type" }.joined(separator: ", "))],")
    if !references.closedEnums.isEmpty {
      out.line("  closedEnums: [")
      for numbers in references.closedEnums {
        out.line("    [\(numbers.map(String.init).joined(separator: ", "))],")
      }
      out.line("  ],")
    }
    if !dependencies.linked.isEmpty {
      let tables = dependencies.linked.map(FileEmitter.tableName)
      out.line("  linked: [\(tables.joined(separator: ", "))],")
    }
    if !dependencies.unlinked.isEmpty {
      out.line("  unlinked: [")
      for other in dependencies.unlinked {
        // Each compiler has another version of it.
        if other.name == FileDescriptor.descriptorProto {
          out.line("    \(Runtime.descriptorFile),")
        } else {
          TableEmitter.emitHexadecimal(try types.descriptor(of: other), indentation: "    ", end: ",", &out)
        }
      }
      out.line("  ],")
    }
    TableEmitter.emitHexadecimal(
      try types.descriptor(of: file), "fileDescriptor: ", indentation: "  ", end: ")", &out)
  }

  /// VoleryProtobuf's FileTable.MessageFlags. (The first bit is what told a reader before this one to look twice.)
  private func flags(_ message: MessageDescriptor) throws -> Int {
    let hasGroup = try types.anywhere(below: message) { $0.fields.contains(where: \.isDelimited) }
    let hasClosedEnum = try types.anywhere(below: message) { try $0.fields.contains { try closedEnum($0) != nil } }
    return (hasGroup || hasClosedEnum ? 1 : 0) | (hasGroup ? 2 : 0) | (message.isMapEntry ? 4 : 0)
  }

  private func closedEnum(_ field: FieldDescriptor) throws -> EnumDescriptor? {
    guard field.kind == .enum, let value = try types[field.typeName].enumeration, value.isClosed else { return nil }
    return value
  }

  private func entry(
    _ field: FieldDescriptor, _ layout: MessageLayout, _ references: inout References
  ) throws -> [Int] {
    let place = layout.places[field.number]!
    var flags = 0
    if field.isPacked { flags |= 1 }
    if field.oneof != nil { flags |= 4 }
    // ProtobufCLabel: 1 optional, 2 repeated. Never "none" or "required": those lose -0.0 and empty values.
    let label = field.isRepeated ? 2 : 1
    // VoleryProtobuf's FileTable.FieldFlags.
    var own = (field.isDelimited ? 1 : 0) | (field.kind == .string ? 4 : 0)
    var closed = 0
    if let value = try closedEnum(field) {
      own |= 2
      closed = References.place(Set(value.values.map(\.number)).sorted(), in: &references.closedEnums)
    }
    var sub = 0
    if field.kind == .message {
      let type = try types[field.typeName]
      sub =
        type.file.name == file.name
        ? type.index + 1 : -(References.place(try types.swiftName(field.typeName), in: &references.imports) + 1)
    }
    let kind = field.kind.libraryType | label << 8 | flags << 16 | own << 24
    return [field.libraryNumber, kind, place.quantifier, place.value, sub, closed]
  }

  /// A literal of lines that can be read and compared; the runtime passes over their ends.
  static func emitHexadecimal(
    _ bytes: [UInt8], _ start: String = "", indentation: String = "", end: String = "", _ out: inout CodeWriter
  ) {
    let digits = Array("0123456789abcdef")
    out.line("\(indentation)\(start)\"\"\"")
    for line in stride(from: 0, to: bytes.count, by: 56) {
      let text = bytes[line..<min(line + 56, bytes.count)].flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
      out.line("\(indentation)\(String(text))")
    }
    out.line("\(indentation)\"\"\"\(end)")
  }
}
