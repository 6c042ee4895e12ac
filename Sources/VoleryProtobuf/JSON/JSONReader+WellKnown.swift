import VoleryTypes

extension JSONReader {
  /// A message with a JSON form of its own. Its fields are written by number: they are fixed for ever.
  mutating func wellKnown(
    _ kind: WellKnownMessage, _ schema: MessageSchema?, depth: Int
  ) throws(JSONError) {
    switch kind {
    case .wrapper(let kind):
      let field = FieldSchema(wrapperValue: kind)
      let start = out.count
      try single(field, depth: depth)
      if out.isZero(from: start + 1) { out.truncate(to: start) }
    case .timestamp:
      guard let time = TimeText(timestamp: try string("a time")) else {
        throw error("a time as in 2006-01-02T15:04:05Z is expected, between the years 1 and 9999")
      }
      write(time)
    case .duration:
      guard let time = TimeText(duration: try string("a duration")) else {
        throw error("a duration as in 1.5s is expected, of up to \(TimeText.maxDurationSeconds) seconds")
      }
      write(time)
    case .fieldMask:
      let text = try string("a field mask")
      for path in text.split(separator: ",") {
        guard let snake = FieldMaskPath.snake(path) else { throw error("the path \"\(path)\" has an underscore") }
        out.tag(1, wireType: 2)
        out.content(snake.utf8)
      }
    case .any: try any(depth: depth)
    case .structure: try structure(depth: depth)
    case .listValue: try list(depth: depth)
    case .value: try value(depth: depth)
    }
  }

  private mutating func string(_ what: String) throws(JSONError) -> String {
    guard scanner.peek() == UInt8(ascii: "\"") else { throw error("a string with \(what) is expected") }
    return try scanner.string()
  }

  private mutating func write(_ time: TimeText) {
    if time.seconds != 0 {
      out.tag(1, wireType: 0)
      out.varint(UInt64(bitPattern: time.seconds))
    }
    if time.nanos != 0 {
      out.tag(2, wireType: 0)
      out.varint(UInt64(bitPattern: Int64(time.nanos)))
    }
  }

  // MARK: Any

  private mutating func any(depth: Int) throws(JSONError) {
    guard scanner.peek() == UInt8(ascii: "{") else { throw error("an object is expected") }
    guard let url = try typeURL(depth: depth) else {
      try scanner.expect("{")
      guard scanner.skip("}") else { throw error("a google.protobuf.Any needs \"@type\"") }
      return
    }
    guard let name = TypeRegistry.messageName(ofTypeURL: url) else {
      throw error("the @type \"\(url)\" names no type")
    }
    out.tag(1, wireType: 2)
    out.content(url.utf8)
    out.tag(2, wireType: 2)
    let length = out.beginLength()
    if let wellKnown = WellKnownMessage(fullName: name) {
      try valueMember { reader throws(JSONError) in
        guard depth < reader.options.maxDepth else { throw reader.error("more than \(reader.options.maxDepth) levels") }
        try reader.wellKnown(wellKnown, nil, depth: depth + 1)
      }
    } else if name == WellKnownMessage.emptyName {
      try valueMember(isOptional: true) { reader throws(JSONError) in
        try reader.scanner.expect("{")
        try reader.scanner.expect("}")
      }
    } else if let schema = options.types.schema(named: name, from: file) {
      guard depth < options.maxDepth else { throw error("more than \(options.maxDepth) levels") }
      try object(schema, depth: depth + 1, isInAny: true)
    } else {
      throw error("\(name) is not in the registry of types")
    }
    out.endLength(length)
  }

  /// The members of an `Any` whose content has a JSON form of its own: "@type" and "value".
  private mutating func valueMember(
    isOptional: Bool = false, _ content: (inout JSONReader) throws(JSONError) -> Void
  ) throws(JSONError) {
    try scanner.expect("{")
    var seen: Set<String> = []
    repeat {
      _ = scanner.peek()
      let name = try scanner.string()
      try scanner.expect(":")
      guard seen.insert(name).inserted else { throw error("\"\(name)\" is there twice") }
      switch name {
      case "@type": _ = try scanner.string()
      case "value": try content(&self)
      default:
        guard options.ignoresUnknownFields else { throw error("an Any of this type has no \"\(name)\"") }
        try scanner.skipValue(depth: 0, maxDepth: options.maxDepth)
      }
    } while try scanner.continues(until: "}")
    guard isOptional || seen.contains("value") else { throw error("an Any of this type needs \"value\"") }
  }

  /// The "@type" of the object that comes next, wherever it is in there; nil when it has none.
  ///
  /// It is often the first member. Where it is not, what stands before it is passed over, and the types of all objects in
  /// there are kept: so no part of the text is passed over twice, however deep one Any is in another.
  private mutating func typeURL(depth: Int) throws(JSONError) -> String? {
    let start = scanner.index
    defer { scanner.index = start }
    if start < seenUpTo {
      guard let place = typesSeen[start] else { return nil }
      scanner.index = place
      return try string("a type")
    }
    try scanner.expect("{")
    if scanner.skip("}") { return nil }
    repeat {
      _ = scanner.peek()
      let name = try scanner.string()
      try scanner.expect(":")
      if name == "@type" { return try string("a type") }
      var found: [Int: Int] = [:]
      try scanner.skipValue(depth: depth + 1, maxDepth: options.maxDepth) { object, name, value in
        if name == "@type" { found[object] = value }
      }
      typesSeen.merge(found) { first, _ in first }
      seenUpTo = scanner.index
    } while try scanner.continues(until: "}")
    return nil
  }

  // MARK: Struct

  private mutating func structure(depth: Int) throws(JSONError) {
    guard depth <= options.maxDepth else { throw error("more than \(options.maxDepth) levels") }
    try scanner.expect("{")
    if scanner.skip("}") { return }
    var keys: Set<String> = []
    repeat {
      _ = scanner.peek()
      let name = try scanner.string()
      guard keys.insert(name).inserted else { throw error("the key \"\(name)\" is there twice") }
      try scanner.expect(":")
      out.tag(1, wireType: 2)
      let entry = out.beginLength()
      out.tag(1, wireType: 2)
      out.content(name.utf8)
      out.tag(2, wireType: 2)
      let content = out.beginLength()
      try value(depth: depth + 1)
      out.endLength(content)
      out.endLength(entry)
    } while try scanner.continues(until: "}")
  }

  private mutating func list(depth: Int) throws(JSONError) {
    guard depth <= options.maxDepth else { throw error("more than \(options.maxDepth) levels") }
    try scanner.expect("[")
    if scanner.skip("]") { return }
    repeat {
      out.tag(1, wireType: 2)
      let content = out.beginLength()
      try value(depth: depth + 1)
      out.endLength(content)
    } while try scanner.continues(until: "]")
  }

  private mutating func value(depth: Int) throws(JSONError) {
    switch scanner.peek() {
    case UInt8(ascii: "n") where scanner.skip(word: "null"):
      out.tag(1, wireType: 0)
      out.varint(0)
    case UInt8(ascii: "t") where scanner.skip(word: "true"):
      out.tag(4, wireType: 0)
      out.varint(1)
    case UInt8(ascii: "f") where scanner.skip(word: "false"):
      out.tag(4, wireType: 0)
      out.varint(0)
    case UInt8(ascii: "\""):
      out.tag(3, wireType: 2)
      out.content(try scanner.string().utf8)
    case UInt8(ascii: "{"):
      out.tag(5, wireType: 2)
      let content = out.beginLength()
      try structure(depth: depth)
      out.endLength(content)
    case UInt8(ascii: "["):
      out.tag(6, wireType: 2)
      let content = out.beginLength()
      try list(depth: depth)
      out.endLength(content)
    default:
      guard let number = JSONNumber.double(try scanner.number()) else { throw error("the number is out of range") }
      out.tag(2, wireType: 1)
      out.fixed64(number.bitPattern)
    }
  }
}
