import VoleryPlatform
import VoleryPrimitives
public import VoleryTypes

/// Which calls a binary log has, and how much of each: the syntax of `GRPC_BINARY_LOG_FILTER` (gRFC A16).
///
///     *                                everything
///     *{h}                             metadata, and no message's bytes
///     *{h:512;m:256}                   of metadata and messages the first bytes
///     shop.Orders/*,-shop.Orders/Pay   one service, but for one method
///     shop.Orders/*,shop.Orders/List{m:256}
///
/// The most exact pattern holds. Empty: nothing is logged.
public struct BinaryLogFilter: Hashable, Sendable {
  /// How much of a call is logged.
  struct Rule: Hashable, Sendable {
    /// Bytes of keys and values of a piece of metadata.
    var headerBytes = Int.max
    /// Bytes of a message.
    var messageBytes = Int.max
  }

  private var all: Rule?
  private var services: [String: Rule] = [:]
  /// By `package.Service/Method`; nil: this one not.
  private var methods: [String: Rule?] = [:]

  /// - Throws: `StatusError` INVALID_ARGUMENT, which names the pattern that can't be read. A program had better not start then.
  public init(_ text: String) throws(StatusError) {
    guard !text.isEmpty else { return }
    for pattern in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard try add(pattern) else {
        throw BinaryLogFilter.error(
          pattern, "is not *, service/*, service/method or -service/method, with {h:N;m:N} behind it")
      }
    }
  }

  /// What `GRPC_BINARY_LOG_FILTER` says in the environment; nothing where it is not set.
  ///
  /// - Throws: As for the text.
  public static func environment() throws(StatusError) -> BinaryLogFilter {
    try BinaryLogFilter(environmentVariable("GRPC_BINARY_LOG_FILTER") ?? "")
  }

  /// Nothing is logged.
  public var isEmpty: Bool { all == nil && services.isEmpty && methods.allSatisfy { $0.value == nil } }

  /// Nil: its calls are not logged.
  func rule(for method: MethodDescriptor) -> Rule? {
    if let rule = methods["\(method.service)/\(method.name)"] { return rule }
    return services[method.service] ?? all
  }

  // MARK: Reading

  private static func error(_ pattern: Substring, _ what: String) -> StatusError {
    StatusError(.invalidArgument, "GRPC_BINARY_LOG_FILTER: \"\(String(foreign: pattern))\" \(what)")
  }

  /// Returns false for what is no pattern.
  private mutating func add(_ pattern: Substring) throws(StatusError) -> Bool {
    let name = pattern.prefix { $0 != "{" }
    guard let rule = try BinaryLogFilter.rule(pattern[name.endIndex...], of: pattern) else { return false }
    if name == "*" {
      try BinaryLogFilter.set(&all, rule, pattern)
      return true
    }
    let isExcluded = name.hasPrefix("-")
    let path = name.dropFirst(isExcluded ? 1 : 0)
    guard let slash = path.lastIndex(of: "/") else { return false }
    let (service, method) = (path[..<slash], path[path.index(after: slash)...])
    guard BinaryLogFilter.isName(service), method == "*" || BinaryLogFilter.isName(method) else { return false }
    if isExcluded {
      guard method != "*", name.endIndex == pattern.endIndex else { return false }
      try BinaryLogFilter.set(&methods[String(path)], Rule?.none, pattern)
    } else if method == "*" {
      try BinaryLogFilter.set(&services[String(service)], rule, pattern)
    } else {
      try BinaryLogFilter.set(&methods[String(path)], Rule?.some(rule), pattern)
    }
    return true
  }

  private static func set<Value>(_ place: inout Value?, _ value: Value, _ pattern: Substring) throws(StatusError) {
    guard place == nil else { throw error(pattern, "comes twice") }
    place = value
  }

  private static func isName(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"*{}-;,".utf8.contains($0) }
  }

  /// What stands in braces; nil: that is no such thing.
  private static func rule(_ text: Substring, of pattern: Substring) throws(StatusError) -> Rule? {
    guard !text.isEmpty else { return Rule() }
    guard text.hasPrefix("{"), text.hasSuffix("}"), text.count > 2 else { return nil }
    let parts = text.dropFirst().dropLast().split(separator: ";", omittingEmptySubsequences: false)
    switch (parts.first?.first, parts.count) {
    case ("h", 1): return try length(parts[0], "h").map { Rule(headerBytes: $0, messageBytes: 0) }
    case ("m", 1): return try length(parts[0], "m").map { Rule(headerBytes: 0, messageBytes: $0) }
    case ("h", 2):
      guard let header = try length(parts[0], "h"), let message = try length(parts[1], "m") else { return nil }
      return Rule(headerBytes: header, messageBytes: message)
    default: return nil
    }
  }

  /// `h`, or `h:256`.
  private static func length(_ text: Substring, _ letter: String) throws(StatusError) -> Int? {
    if text == letter { return .max }
    guard text.hasPrefix(letter + ":") else { return nil }
    let digits = text.dropFirst(2)
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(digits) ?? .max
  }
}
