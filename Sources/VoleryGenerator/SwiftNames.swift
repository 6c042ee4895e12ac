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
    "hash", "description", "debugDescription", "customMirror", "Type", "Protocol", "decodeOptions",
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

  /// With backticks where it is a word of Swift.
  static func escaped(_ name: String) -> String { keywords.contains(name) ? "`\(name)`" : name }

  static func type(_ name: String) -> String {
    types.contains(name) || keywords.contains(name) ? "\(name)_p" : name
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
    return joined.first?.isNumber == true ? "_\(joined)" : joined
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
