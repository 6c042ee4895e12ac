extension JSONPrinter {
  /// A message with a JSON form of its own. Its fields are read by number: they are fixed for ever.
  mutating func wellKnown(
    _ bytes: UnsafeRawBufferPointer, _ kind: WellKnownMessage, depth: Int
  ) throws(MessageTextError) {
    let fields = try wireFields(bytes, depth: depth)
    switch kind {
    case .wrapper(let kind): try wrapper(fields, kind)
    case .timestamp:
      guard let time = time(fields).timestamp else {
        throw MessageTextError(
          "a google.protobuf.Timestamp is not between the years 1 and 9999, or its nanos are wrong")
      }
      text.quoted(time)
    case .duration:
      guard let time = time(fields).duration else {
        throw MessageTextError("a google.protobuf.Duration is out of range, or its parts differ in sign")
      }
      text.quoted(time)
    case .fieldMask: try fieldMask(fields)
    case .any: try any(fields, depth: depth)
    case .structure: try structure(fields, depth: depth)
    case .listValue: try list(fields, depth: depth)
    case .value: try value(fields, depth: depth)
    }
  }

  private func wireFields(_ bytes: UnsafeRawBufferPointer, depth: Int) throws(MessageTextError) -> [WireReader.Field] {
    do throws(ProtobufError) {
      var fields: [WireReader.Field] = []
      var reader = WireReader(bytes)
      while let field = try reader.next(depth: depth) { fields.append(field) }
      return fields
    } catch { throw MessageTextError(error) }
  }

  private mutating func wrapper(_ fields: [WireReader.Field], _ kind: FieldSchema.Kind) throws(MessageTextError) {
    let field = FieldSchema(wrapperValue: kind)
    let value = fields.last { $0.number == 1 && field.accepts($0.value) }
    do throws(ProtobufError) {
      try text.scalar(value.map { field.scalar($0.value) } ?? field.zero, kind)
    } catch { throw MessageTextError(error) }
  }

  private func number(_ fields: [WireReader.Field], _ number: Int) -> UInt64 {
    for field in fields.reversed() where field.number == number {
      if case .varint(let value) = field.value { return value }
    }
    return 0
  }

  private func contents(_ fields: [WireReader.Field], _ number: Int) -> [UnsafeRawBufferPointer] {
    fields.compactMap { field in
      if field.number == number, case .bytes(let content) = field.value { content } else { nil }
    }
  }

  private func time(_ fields: [WireReader.Field]) -> TimeText {
    TimeText(
      seconds: Int64(bitPattern: number(fields, 1)), nanos: Int32(truncatingIfNeeded: number(fields, 2)))
  }

  private func string(_ content: UnsafeRawBufferPointer?) throws(MessageTextError) -> String {
    guard let text = String(validating: content ?? UnsafeRawBufferPointer(start: nil, count: 0), as: UTF8.self) else {
      throw MessageTextError(.invalidUTF8)
    }
    return text
  }

  private mutating func fieldMask(_ fields: [WireReader.Field]) throws(MessageTextError) {
    var paths: [String] = []
    for content in contents(fields, 1) {
      let path = try string(content)
      guard let camel = FieldMaskPath.camel(path) else {
        throw MessageTextError("the field mask's path \"\(path)\" would not read back from JSON as it is")
      }
      paths.append(camel)
    }
    text.string(paths.joined(separator: ","))
  }

  // MARK: Any

  private mutating func any(_ fields: [WireReader.Field], depth: Int) throws(MessageTextError) {
    let url = try string(contents(fields, 1).last)
    let content = contents(fields, 2).last ?? UnsafeRawBufferPointer(start: nil, count: 0)
    guard !url.isEmpty else {
      guard content.isEmpty else { throw MessageTextError("a google.protobuf.Any has a value, but no type") }
      return text.append("{}")
    }
    guard let name = TypeRegistry.messageName(ofTypeURL: url) else {
      throw MessageTextError("a google.protobuf.Any has the type URL \"\(url)\", which names no type")
    }
    text.append("{\"@type\":")
    text.string(url)
    if let wellKnown = WellKnownMessage(fullName: name) {
      text.append(",\"value\":")
      try self.wellKnown(content, wellKnown, depth: try deeper(depth))
    } else if let schema = options.types.schema(named: name, from: file) {
      var isFirst = false
      try members(content, schema, depth: try deeper(depth), &isFirst)
    } else if name != WellKnownMessage.emptyName {
      throw MessageTextError("a google.protobuf.Any holds \(name), which is not in the registry of types")
    }
    text.append("}")
  }

  private func deeper(_ depth: Int) throws(MessageTextError) -> Int {
    guard depth < DecodeOptions.defaultMaximumDepth else {
      throw MessageTextError(.tooDeep(limit: DecodeOptions.defaultMaximumDepth))
    }
    return depth + 1
  }

  // MARK: Struct

  private mutating func structure(_ fields: [WireReader.Field], depth: Int) throws(MessageTextError) {
    var members: [(name: String, value: UnsafeRawBufferPointer)] = []
    for entry in contents(fields, 1) {
      let parts = try wireFields(entry, depth: depth)
      let value = contents(parts, 2).last ?? UnsafeRawBufferPointer(start: nil, count: 0)
      members.append((try string(contents(parts, 1).last), value))
    }
    members.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    text.append("{")
    var isFirst = true
    for (name, content) in members {
      separate(&isFirst)
      text.string(name)
      text.append(":")
      try value(try wireFields(content, depth: depth), depth: try deeper(depth))
    }
    text.append("}")
  }

  private mutating func list(_ fields: [WireReader.Field], depth: Int) throws(MessageTextError) {
    text.append("[")
    var isFirst = true
    for element in contents(fields, 1) {
      separate(&isFirst)
      try value(try wireFields(element, depth: depth), depth: try deeper(depth))
    }
    text.append("]")
  }

  private mutating func value(_ fields: [WireReader.Field], depth: Int) throws(MessageTextError) {
    guard let kind = fields.last(where: { (1...6).contains($0.number) }) else {
      throw MessageTextError("a google.protobuf.Value has no kind")
    }
    switch (kind.number, kind.value) {
    case (1, .varint): text.append("null")
    case (2, .fixed64(let bits)):
      let number = Double(bitPattern: bits)
      guard number.isFinite else { throw MessageTextError("a google.protobuf.Value is \(number), which JSON has not") }
      text.decimal(number.description)
    case (3, .bytes(let content)): text.string(try string(content))
    case (4, .varint(let number)): number != 0 ? text.append("true") : text.append("false")
    case (5, .bytes(let content)): try structure(try wireFields(content, depth: depth), depth: try deeper(depth))
    case (6, .bytes(let content)): try list(try wireFields(content, depth: depth), depth: try deeper(depth))
    default: throw MessageTextError(.malformed)
    }
  }
}

/// A path of a field mask, in the .proto's spelling and in JSON's.
package enum FieldMaskPath {
  /// `user.display_name` as `user.displayName`; nil where that could not be turned back.
  package static func camel(_ path: String) -> String? {
    var out: [UInt8] = []
    var isAfterUnderscore = false
    for byte in path.utf8 {
      if isAfterUnderscore {
        guard byte &- UInt8(ascii: "a") < 26 else { return nil }
        out.append(byte - 32)
        isAfterUnderscore = false
      } else if byte == UInt8(ascii: "_") {
        isAfterUnderscore = true
      } else {
        guard byte &- UInt8(ascii: "A") >= 26 else { return nil }
        out.append(byte)
      }
    }
    return isAfterUnderscore ? nil : String(decoding: out, as: UTF8.self)
  }

  /// `user.displayName` as `user.display_name`; nil where it has an underscore already.
  package static func snake(_ path: some StringProtocol) -> String? {
    var out: [UInt8] = []
    for byte in path.utf8 {
      if byte == UInt8(ascii: "_") { return nil }
      if byte &- UInt8(ascii: "A") < 26 {
        out += [UInt8(ascii: "_"), byte + 32]
      } else {
        out.append(byte)
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
}
