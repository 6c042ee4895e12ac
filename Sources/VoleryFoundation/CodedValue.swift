import VoleryTypes

/// A JSON value as coders have it: in containers, numbers as numbers.
struct CodedValue: Codable {
  /// Values within one another; a message's own limit is lower (`JSONDecodingOptions.maxDepth`).
  static let maxDepth = 400

  let value: JSONValue

  init(_ value: JSONValue) { self.value = value }

  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  // MARK: Encoding

  func encode(to encoder: any Encoder) throws {
    switch value {
    case .object(let members):
      var container = encoder.container(keyedBy: Name.self)
      for (name, member) in members { try container.encode(CodedValue(member), forKey: Name(stringValue: name)) }
    case .array(let elements):
      var container = encoder.unkeyedContainer()
      for element in elements { try container.encode(CodedValue(element)) }
    case .null:
      var container = encoder.singleValueContainer()
      try container.encodeNil()
    case .bool(let isTrue):
      var container = encoder.singleValueContainer()
      try container.encode(isTrue)
    case .string(let text):
      var container = encoder.singleValueContainer()
      try container.encode(text)
    case .number(let text):
      var container = encoder.singleValueContainer()
      if let whole = Int64(text) { try container.encode(whole) } else { try container.encode(Double(text) ?? 0) }
    }
  }

  // MARK: Decoding

  init(from decoder: any Decoder) throws {
    guard decoder.codingPath.count <= CodedValue.maxDepth else {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: decoder.codingPath, debugDescription: "more than \(CodedValue.maxDepth) levels"))
    }
    if let container = try? decoder.singleValueContainer(), let value = CodedValue.scalar(container) {
      self.init(value)
    } else if let container = try? decoder.container(keyedBy: Name.self) {
      var members: [String: JSONValue] = [:]
      for name in container.allKeys {
        members[name.stringValue] = try container.decode(CodedValue.self, forKey: name).value
      }
      self.init(.object(members))
    } else {
      var container = try decoder.unkeyedContainer()
      var elements: [JSONValue] = []
      while !container.isAtEnd { elements.append(try container.decode(CodedValue.self).value) }
      self.init(.array(elements))
    }
  }

  private static func scalar(_ container: any SingleValueDecodingContainer) -> JSONValue? {
    if container.decodeNil() { return .null }
    if let text = try? container.decode(String.self) { return .string(text) }
    if let isTrue = try? container.decode(Bool.self) { return .bool(isTrue) }
    // A field of 64 bits may come as a number, which a Double would round.
    if let whole = try? container.decode(Int64.self) { return .number(String(whole)) }
    if let whole = try? container.decode(UInt64.self) { return .number(String(whole)) }
    if let number = try? container.decode(Double.self) {
      // The other forms are no numbers in JSON: protobuf writes them as these texts.
      return number.isFinite
        ? .number("\(number)") : .string(number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity")
    }
    return nil
  }
}
