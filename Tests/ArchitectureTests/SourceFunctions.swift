import Foundation

/// The functions of source files with what stands in their bodies, as well as can be seen from formatted source without a
/// parser.
struct SourceFunctions {
  struct Function {
    let type: String
    /// `init` for an initializer.
    let name: String
    /// Without strings and comments; what stands in closures included.
    var body = ""
  }

  private enum Scope {
    case type(String)
    case function(Int)
    case other
  }

  private(set) var all: [Function] = []
  /// By type's name: what stands behind its colon.
  private(set) var inherited: [String: [String]] = [:]
  private var scopes: [Scope] = []
  /// A declaration whose body has not begun.
  private var pending: Scope?
  /// Parentheses that are open: a body begins outside of them.
  private var parentheses = 0

  init(of files: [String]) throws {
    for file in Set(files).sorted() {
      let path = ImportTests.root.appendingPathComponent("Sources/\(file)")
      var code = SourceCode()
      for line in try String(contentsOf: path, encoding: .utf8).split(separator: "\n") { read(code.withoutText(line)) }
    }
  }

  func functions(_ name: String, of type: String) -> [Function] { all.filter { $0.type == type && $0.name == name } }

  /// The function's body, and those of the functions of its own type that it calls, and that they call.
  func reach(_ name: String, of type: String) -> [Function] {
    let own = all.filter { $0.type == type }
    var reached: [String: [Function]] = [name: own.filter { $0.name == name }]
    var new = reached[name] ?? []
    while let next = new.popLast() {
      for candidate in Set(own.map(\.name)) where reached[candidate] == nil && next.calls(candidate) {
        let found = own.filter { $0.name == candidate }
        reached[candidate] = found
        new += found
      }
    }
    return reached.values.flatMap { $0 }
  }

  private mutating func read(_ code: String) {
    note(code)
    for character in code {
      switch character {
      case "(": parentheses += 1
      case ")": parentheses -= 1
      case "{":
        let isBody = parentheses == 0 && pending != nil
        scopes.append(isBody ? pending ?? .other : .other)
        if isBody { pending = nil }
      case "}": _ = scopes.popLast()
      default: break
      }
    }
    for case .function(let index) in scopes { all[index].body += code + "\n" }
  }

  /// What the line declares, if anything.
  private mutating func note(_ code: String) {
    if let match = code.firstMatch(of: /\b(?:class|struct|actor|enum|extension|protocol) ([A-Z]\w*)(?::([^{]*))?/) {
      let type = String(match.1)
      pending = .type(type)
      inherited[type, default: []] += (match.2 ?? "").split { !$0.isLetter && !$0.isNumber }.map(String.init)
    } else if let match = code.firstMatch(of: /\bfunc (\w+)|(?:^|\s)(init)[(<?]/), let type {
      all.append(Function(type: type, name: String(match.1 ?? match.2 ?? "")))
      pending = .function(all.count - 1)
      if code.contains("{"), code.contains("}") { all[all.count - 1].body = code }
    }
  }

  /// Where declarations stand that are read now; nil within a function, whose own functions are part of it.
  private var type: String? {
    for scope in scopes.reversed() {
      switch scope {
      case .type(let name): return name
      case .function: return nil
      case .other: continue
      }
    }
    return nil
  }
}

extension SourceFunctions.Function {
  /// Whether the body calls something of this name; with `isOthers`, of another object.
  func calls(_ name: String, isOthers: Bool = false) -> Bool {
    let receiver = isOthers ? #"[\w\)\]]\??\."# : #"\b"#
    guard let call = try? Regex("\(receiver)\(name)(?:\\(|<| \\{)") else { return false }
    return body.contains(call)
  }
}

/// Source without what stands in strings and comments.
struct SourceCode {
  /// Within a string of several lines.
  private var isInText = false

  /// To be given all lines in order.
  mutating func withoutText(_ line: Substring) -> String {
    let parts = line.split(separator: "\"\"\"", omittingEmptySubsequences: false)
    let isTextBefore = isInText
    if parts.count % 2 == 0 { isInText.toggle() }
    guard isTextBefore else { return Self.withoutStrings(parts[0]) }
    return parts.count == 1 ? "" : Self.withoutStrings(parts[parts.count - 1])
  }

  private static func withoutStrings(_ line: Substring) -> String {
    var result = ""
    var isInString = false
    var before: Character = " "
    for character in line {
      if character == "\"", before != "\\" { isInString.toggle() }
      if !isInString, character == "/", before == "/" { return String(result.dropLast()) }
      if !isInString { result.append(character) }
      before = character
    }
    return result
  }
}
