import VoleryPlatform

// For its maths library, which rounding needs.

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
    guard let result = convert(member) else {
      throw error(name, "has a wrong type or value\(ConfigReader.form(of: Result.self))")
    }
    return result
  }

  /// What a member is written as, for errors.
  private static func form<Result>(of type: Result.Type) -> String {
    switch type {
    case is Duration.Type: ": it takes a time such as \"1.5s\""
    case is Bool.Type: ": it takes true or false"
    case is Int.Type: ": it takes a whole number"
    case is Double.Type: ": it takes a number"
    case is String.Type: ": it takes text"
    default: ""
    }
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

  /// A whole number from 0 to 2^32-1: protobuf's uint32, which every count of a service config is.
  package static func count(_ value: JSONValue) -> Int? {
    wholeNumber(value).flatMap { UInt32(exactly: $0) }.map { Int($0) }
  }

  /// A whole number of at least 0; it may be a string, as protobuf's JSON has it. Written as JSON writes numbers, and in no
  /// other way that Swift knows; any form will do (`1000`, `1e3`, `1000.0`).
  package static func wholeNumber(_ value: JSONValue) -> Int? {
    var text: String
    switch value {
    case .number(let number): text = number
    case .string(let string): text = string
    default: return nil
    }
    let number = text.withUTF8 { JSONNumber.isWhole($0) ? JSONNumber.integer($0) : nil }
    return number?.asSigned(0...Int64.max).map { Int($0) }
  }

  /// What google.protobuf.Duration allows: 10,000 years.
  package static let longestDuration = Duration.seconds(315_576_000_000)

  /// "1.5s", as protobuf's JSON has durations: up to nine decimals, at most `longestDuration`; not negative here.
  package static func duration(_ value: JSONValue) -> Duration? {
    guard case .string(let text) = value, text.hasSuffix("s") else { return nil }
    let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let seconds = digits(parts[0], upTo: 12) else { return nil }
    var duration = Duration.seconds(seconds)
    if parts.count == 2 {
      guard var fraction = digits(parts[1], upTo: 9) else { return nil }
      for _ in parts[1].utf8.count..<9 { fraction *= 10 }
      duration += .nanoseconds(fraction)
    }
    return duration <= longestDuration ? duration : nil
  }

  private static func digits(_ text: Substring, upTo maxCount: Int) -> Int64? {
    guard (1...maxCount).contains(text.utf8.count), text.utf8.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
    return Int64(text)
  }
}

extension Duration {
  /// This times `factor`, at most `limit`: whatever the factor, which may come from outside, nothing overflows. A factor
  /// that is no number, or below 0, counts as 0.
  package func scaled(by factor: Double, upTo limit: Duration) -> Duration {
    let product = self / .nanoseconds(1) * Swift.max(factor, 0)
    guard product > 0 else { return Swift.min(.zero, limit) }
    guard product < limit / .nanoseconds(1) else { return limit }
    return Swift.min(self * factor, limit)
  }
}
