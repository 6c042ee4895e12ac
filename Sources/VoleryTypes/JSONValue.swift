/// A JSON document as a value: service configs, policy configurations, endpoint files.
public enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  /// A number's text, as it stood: 64-bit integers and decimals both survive.
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// The member of an object; nil when this is no object or has none of that name.
  public subscript(name: String) -> JSONValue? {
    if case .object(let members) = self { return members[name] }
    return nil
  }
}
