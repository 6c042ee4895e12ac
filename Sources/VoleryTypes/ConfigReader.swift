// For its maths library, which rounding needs.
#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Reads members of a JSON object and says, when one is wrong, which.
package struct ConfigReader {
  package let value: JSONValue
  /// For errors: "service config.methodConfig[0]".
  package let place: String

  package init(_ value: JSONValue, at place: String) {
    self.value = value
    self.place = place
  }

  package func error(_ name: String, _ what: String) -> ServiceConfigError {
    ServiceConfigError("\(place).\(name) \(what)")
  }

  package func optional<Result>(_ name: String, _ convert: (JSONValue) -> Result?) throws(ServiceConfigError) -> Result?
  {
    guard let member = value[name], member != .null else { return nil }
    guard let result = convert(member) else { throw error(name, "has a wrong type or value") }
    return result
  }

  package func required<Result>(_ name: String, _ convert: (JSONValue) -> Result?) throws(ServiceConfigError) -> Result
  {
    guard let result = try optional(name, convert) else { throw error(name, "is missing") }
    return result
  }

  package func object(_ name: String) throws(ServiceConfigError) -> ConfigReader? {
    guard let member = value[name], member != .null else { return nil }
    guard case .object = member else { throw error(name, "is not an object") }
    return ConfigReader(member, at: "\(place).\(name)")
  }

  /// Empty where the member is missing.
  package func array(_ name: String) throws(ServiceConfigError) -> [ConfigReader] {
    guard let member = value[name], member != .null else { return [] }
    guard case .array(let elements) = member else { throw error(name, "is not a list") }
    return elements.enumerated().map { ConfigReader($1, at: "\(place).\(name)[\($0)]") }
  }

  package static func string(_ value: JSONValue) -> String? { if case .string(let text) = value { text } else { nil } }

  package static func bool(_ value: JSONValue) -> Bool? { if case .bool(let bool) = value { bool } else { nil } }

  package static func number(_ value: JSONValue) -> Double? {
    guard case .number(let text) = value else { return nil }
    return Double(text).flatMap { $0.isFinite ? $0 : nil }
  }

  /// A whole number of at least 0; 64-bit values may be strings, as protobuf's JSON has them.
  package static func count(_ value: JSONValue) -> Int? {
    let text: String
    switch value {
    case .number(let number): text = number
    case .string(let string): text = string
    default: return nil
    }
    return (Int(text) ?? Double(text).flatMap { Int(exactly: $0) }).flatMap { $0 >= 0 ? $0 : nil }
  }

  /// "1.5s", as protobuf's JSON has durations; not negative here.
  package static func duration(_ value: JSONValue) -> Duration? {
    guard case .string(let text) = value, text.hasSuffix("s"), !text.hasPrefix("-"), !text.hasPrefix("+") else {
      return nil
    }
    let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let seconds = Int64(parts[0]), seconds <= 315_576_000_000 else { return nil }
    guard parts.count == 2 else { return .seconds(seconds) }
    guard (1...9).contains(parts[1].count),
      let fraction = Int64(parts[1] + String(repeating: "0", count: 9 - parts[1].count)),
      fraction >= 0
    else { return nil }
    return .seconds(seconds) + .nanoseconds(fraction)
  }
}
