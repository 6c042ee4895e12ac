/// Reads a message from text format, by the schema, into the wire format.
struct TextFormatReader {
  var scanner: TextFormatScanner
  private(set) var out = WireWriter()
  private let options: TextFormatDecodingOptions
  /// Where types that `Any` holds, and extensions, are looked for.
  private let file: FileSchema
  private var extensions: ExtensionTable

  init(_ text: UnsafeBufferPointer<UInt8>, _ options: TextFormatDecodingOptions, _ file: FileSchema) {
    scanner = TextFormatScanner(text)
    self.options = options
    self.file = file
    extensions = ExtensionTable(file)
  }

  private func error(_ field: FieldSchema, _ what: String) -> MessageTextError {
    scanner.error("\(field.name): \(what)")
  }

  /// The fields of a message up to its bracket, or to the end of the text.
  mutating func fields(_ schema: MessageSchema, until end: Unicode.Scalar?, depth: Int) throws(MessageTextError) {
    guard depth <= options.maxDepth else { throw scanner.error("more than \(options.maxDepth) levels") }
    var seen = SmallSet()
    var oneofs = SmallSet()
    var extensionsSeen: Set<Int> = []
    while true {
      if let end {
        if scanner.skip(end) { return }
      } else if scanner.peek() == 0, scanner.isAtEnd {
        return
      }
      if scanner.skip("[") {
        try bracketed(schema, &extensionsSeen, depth: depth)
      } else {
        guard let name = scanner.identifier() else { throw scanner.error("a field's name is expected") }
        guard let field = schema.field(textNamed: name) else {
          throw scanner.error("\(schema.fullName) has no field \"\(name)\"")
        }
        if !field.isRepeated {
          guard seen.insert(field.index) else { throw error(field, "the field is there twice") }
          if let oneof = field.oneof, !oneofs.insert(oneof) {
            throw error(field, "another member of the oneof \(schema.oneofs[oneof]) is there already")
          }
        }
        try values(field, depth: depth)
      }
      if !scanner.skip(",") { _ = scanner.skip(";") }
    }
  }

  /// An extension, or what an `Any` holds.
  private mutating func bracketed(
    _ schema: MessageSchema, _ seen: inout Set<Int>, depth: Int
  ) throws(MessageTextError) {
    let name = try scanner.bracketedName()
    if schema.wellKnown == .any, let type = TypeRegistry.messageName(ofTypeURL: name) {
      guard seen.insert(0).inserted else { throw scanner.error("an Any holds one message only") }
      guard let held = options.types.schema(named: type, from: file) else {
        throw scanner.error("\(type) is not in the registry of types")
      }
      _ = scanner.skip(":")
      out.tag(1, wireType: 2)
      out.content(name.utf8)
      out.tag(2, wireType: 2)
      let length = out.beginLength()
      try message(held, depth: depth)
      return out.endLength(length)
    }
    guard let field = extensions.field(of: schema.fullName, named: name) else {
      throw scanner.error("\(schema.fullName) has no extension \"\(name)\"")
    }
    guard field.isRepeated || seen.insert(field.number).inserted else { throw error(field, "the field is there twice") }
    try values(field, depth: depth)
  }

  private mutating func message(_ schema: MessageSchema, depth: Int) throws(MessageTextError) {
    if scanner.skip("<") {
      try fields(schema, until: ">", depth: depth + 1)
    } else {
      try scanner.expect("{")
      try fields(schema, until: "}", depth: depth + 1)
    }
  }

  // MARK: Values

  /// What follows the name: one value, or for a repeated field a list of them.
  private mutating func values(_ field: FieldSchema, depth: Int) throws(MessageTextError) {
    let hasColon = scanner.skip(":")
    guard hasColon || field.kind.isMessage else { throw error(field, "':' is expected") }
    guard field.isRepeated, scanner.skip("[") else { return try value(field, depth: depth) }
    if scanner.skip("]") { return }
    repeat { try value(field, depth: depth) } while scanner.skip(",")
    try scanner.expect("]")
  }

  private mutating func value(_ field: FieldSchema, depth: Int) throws(MessageTextError) {
    let start = out.count
    out.tag(field.number, wireType: field.kind.wireType)
    switch field.kind {
    case .message:
      let length = out.beginLength()
      try message(field.message, depth: depth)
      out.endLength(length)
    case .group:
      try message(field.message, depth: depth)
      out.tag(field.number, wireType: 4)
    default:
      let valueStart = out.count
      try scalar(field)
      // A map's entry needs no default either.
      if !field.hasPresence, !field.isRepeated, out.isZero(from: valueStart) { out.truncate(to: start) }
    }
  }

  private mutating func scalar(_ field: FieldSchema) throws(MessageTextError) {
    switch field.kind {
    case .string:
      let text = try scanner.string()
      guard text.withUnsafeBytes({ $0.isUTF8 }) else { throw error(field, "the string is not UTF-8") }
      out.content(text)
    case .bytes: out.content(try scanner.string())
    default:
      let isNegative = scanner.skip("-")
      let literal = try scanner.literal()
      guard let value = TextFormatLiteral(literal, isNegative: isNegative).bits(field) else {
        throw error(field, "\"\(isNegative ? "-" : "")\(literal)\" is no value of the field's type")
      }
      switch field.kind.wireType {
      case 1: out.fixed64(value)
      case 5: out.fixed32(UInt32(truncatingIfNeeded: value))
      default: out.varint(value)
      }
    }
  }
}

/// How a message is read from text format.
public struct TextFormatDecodingOptions: Sendable {
  /// Messages within one another; deeper is an error.
  public var maxDepth = 100
  /// What `google.protobuf.Any` may hold where it is written out.
  public var types = TypeRegistry()

  /// 100 levels, and what `Any` holds by the types that need no registering.
  public init() {}
}

extension MessageSchema {
  /// By the name that text format has for it: groups go by their type's.
  func field(textNamed name: String) -> FieldSchema? {
    field(protoName: name) ?? field(protoName: name.lowercased()).flatMap { $0.textName == name ? $0 : nil }
  }
}
