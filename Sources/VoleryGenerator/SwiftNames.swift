/// Names of the .proto as names of Swift.
enum SwiftNames {
  private static let keywords: Set<String> = [
    "associatedtype", "class", "deinit", "enum", "extension", "fileprivate", "func", "import", "init", "inout",
    "internal",
    "let", "open", "operator", "private", "precedencegroup", "protocol", "public", "rethrows", "static", "struct",
    "subscript", "typealias", "var", "break", "case", "catch", "continue", "default", "defer", "do", "else",
    "fallthrough", "for", "guard", "if", "in", "repeat", "return", "throw", "switch", "where", "while", "Any", "as",
    "await", "catch", "false", "is", "nil", "rethrows", "self", "Self", "super", "throw", "throws", "true", "try",
    "async",
    "actor", "some", "any", "each", "consuming", "borrowing", "copy", "consume", "discard", "package", "macro",
  ]
  /// Members that every message has already, or that Swift has for everything.
  static let members: Set<String> = [
    "init", "self", "hashValue", "unknownFields", "messageName", "contentSubtype", "with", "encoded", "serialize",
    "hash", "description", "debugDescription", "customMirror", "Type", "Protocol", "decodeOptions", "_Fields",
  ]

  /// Names that a case of an enum can't have.
  static let caseMembers: Set<String> = [
    "init", "self", "rawValue", "unrecognized", "hash", "hashValue", "Type", "Protocol", "allCases", "AllCases",
  ]

  /// Names that a type can't have: Swift's own, and those that generated code writes.
  private static let types: Set<String> = [
    "Type", "Protocol", "Self", "self", "Any", "init", "_Fields", "Swift", "Volery", "VoleryProtobuf", "VoleryTypes",
    "VoleryServer", "VoleryClient", "AllCases", "ExtendedMessage", "ExtensionValue",
  ]

  /// Names of parameters and variables in generated code, which would hide a type of the same name.
  private static let variables: Set<String> = [
    "m", "c", "s", "p", "v", "e", "k", "entries", "map", "value", "number", "rawValue", "newValue", "request",
    "requests",
    "responses", "context", "options",
  ]

  /// With backticks where it is a word of Swift.
  static func escaped(_ name: String) -> String { keywords.contains(name) ? "`\(name)`" : name }

  static func type(_ name: String) -> String {
    if name.allSatisfy({ $0 == "_" }) { return "Underscore" }
    if types.contains(name) || keywords.contains(name) || variables.contains(name) { return "\(name)_p" }
    // As generated code's own variables begin, whose names never end like this.
    return name.first == "_" && name.drop { $0 == "_" }.first!.isLowercase ? "\(name)_t" : name
  }

  /// Whether no type can have the name, whichever way it is written.
  static func isTakenBySwift(_ name: String) -> Bool { types.contains(name) || keywords.contains(name) }

  /// An order of names in which those come first that a type may have as they are.
  static func keepsType(_ one: String, before other: String) -> Bool {
    (type(one) == one ? 0 : 1, one) < (type(other) == other ? 0 : 1, other)
  }

  /// `some_name` as `someName`.
  static func lowerCamel(_ name: String) -> String {
    var words = name.split(separator: "_").map(String.init)
    guard !words.isEmpty else { return "underscore" }
    words[0] = lowerFirst(words[0])
    let joined = words[0] + words.dropFirst().map(initialism).joined()
    return joined.first!.isNumber ? "_\(joined)" : joined
  }

  static func upperCamel(_ name: String) -> String {
    let joined = name.split(separator: "_").map { upperFirst(String($0)) }.joined()
    guard let first = joined.first else { return "Underscore" }
    return first.isNumber ? "_\(joined)" : joined
  }

  /// Whether a Swift name can start with the text, which may be empty.
  static func isPrefix(_ text: String) -> Bool {
    text.first?.isNumber != true && text.allSatisfy { $0 == "_" || $0.isLetter || $0.isNumber }
  }

  /// A service's name, before `Client` and the like.
  static func service(_ name: String) -> String { name.allSatisfy { $0 == "_" } ? "Underscore" : upperFirst(name) }

  static func keepsService(_ one: String, before other: String) -> Bool {
    (service(one) == one ? 0 : 1, one) < (service(other) == other ? 0 : 1, other)
  }

  /// `SayHello` as `sayHello`.
  static func method(_ name: String) -> String { lowerFirst(upperCamel(name)) }

  static func keepsMethod(_ one: String, before other: String) -> Bool {
    (upperCamel(one) == one ? 0 : 1, one) < (upperCamel(other) == other ? 0 : 1, other)
  }

  private static func initialism(_ word: String) -> String {
    ["id", "url", "uri", "http", "https"].contains(word) ? word.uppercased() : upperFirst(word)
  }

  static func upperFirst(_ word: String) -> String { word.prefix(1).uppercased() + word.dropFirst() }

  /// `ID` becomes `id`, `HTTPServer` `httpServer`, `Name` `name`.
  static func lowerFirst(_ word: String) -> String {
    let letters = Array(word)
    var count = letters.prefix { $0.isUppercase }.count
    if count > 1, count < letters.count, letters[count].isLetter { count -= 1 }
    return String(letters[..<count]).lowercased() + String(letters[count...])
  }

  /// `STATE_ACTIVE` of `enum State` as `active`; without backticks.
  static func enumCase(_ value: String, of name: String) -> String {
    let prefix = snake(name) + "_"
    var rest = value
    if value.lowercased().hasPrefix(prefix), value.count > prefix.count { rest = String(value.dropFirst(prefix.count)) }
    let isUpper = !rest.contains { $0.isLowercase }
    let camel = lowerCamel(isUpper ? rest.lowercased() : rest)
    return caseMembers.contains(camel) ? "\(camel)_p" : camel
  }

  private static func snake(_ name: String) -> String {
    var out = ""
    var previous: Character = "_"
    for letter in name {
      if letter.isUppercase, previous.isLowercase || previous.isNumber { out += "_" }
      out += letter.lowercased()
      previous = letter
    }
    return out
  }
}

/// Names that are taken in one scope; gives each newcomer one of its own.
struct NameScope {
  private var taken: Set<String>

  init(_ taken: Set<String> = []) { self.taken = taken }

  /// The first of the candidates that is free; where none is, the last one with underscores until it is.
  mutating func claim(_ candidates: String..., isFree: (String) -> Bool = { _ in true }) -> String {
    func isFreeHere(_ name: String) -> Bool { !taken.contains(name) && isFree(name) }
    var own = candidates.first(where: isFreeHere) ?? candidates.last!
    while !isFreeHere(own) { own += "_" }
    taken.insert(own)
    return own
  }

  func contains(_ name: String) -> Bool { taken.contains(name) }

  func with(_ name: String) -> NameScope { NameScope(taken.union([name])) }
}
