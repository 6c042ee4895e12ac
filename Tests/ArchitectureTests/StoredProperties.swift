/// Counts the stored properties of types, as well as can be seen from formatted source without a parser.
struct StoredProperties {
  struct TypeCount {
    let name: String
    /// Its documentation's lines.
    let documentation: [Substring]
    var count = 0
  }

  private struct Open {
    var type: TypeCount
    let depth: Int
  }

  private var open: [Open] = []
  private var depth = 0
  private var source = SourceCode()
  private var found: [TypeCount] = []

  static func types(in lines: [Substring]) -> [TypeCount] {
    var counter = StoredProperties()
    for index in lines.indices { counter.read(lines, index) }
    return counter.found
  }

  private mutating func read(_ lines: [Substring], _ index: Int) {
    let code = source.withoutText(lines[index])
    let words = Self.words(code)
    if let kind = words.first, ["class", "struct", "actor", "enum"].contains(kind), words.count > 1, code.contains("{")
    {
      let name = String(words[1].prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." })
      open.append(
        Open(type: TypeCount(name: name, documentation: Self.documentation(lines, above: index)), depth: depth + 1))
    } else if let last = open.last, last.depth == depth, Self.isStored(words, code, lines, index) {
      open[open.count - 1].type.count += 1
    }
    for character in code where character == "{" || character == "}" {
      depth += character == "{" ? 1 : -1
      while let last = open.last, depth < last.depth { found.append(open.removeLast().type) }
    }
  }

  private static func isStored(_ words: [Substring], _ code: String, _ lines: [Substring], _ index: Int) -> Bool {
    if words.first == "let" { return true }
    guard words.first == "var" else { return false }
    let isObserved = lines.dropFirst(index).prefix(2).contains { $0.contains("didSet") || $0.contains("willSet") }
    guard !isObserved, let brace = code.firstIndex(of: "{") else { return true }
    return code[..<brace].contains(" = ")
  }

  /// A declaration's words without its attributes and modifiers; a static one's are those of none.
  private static func words(_ code: String) -> [Substring] {
    let modifiers: Set<Substring> = [
      "public", "package", "internal", "private", "fileprivate", "open", "final", "lazy", "weak", "unowned", "override",
      "nonisolated", "unsafe", "indirect",
    ]
    let words = code.split(separator: " ")
    return Array(
      words.drop { word in
        word.hasPrefix("@") || modifiers.contains(word)
          || modifiers.contains(word.prefix { $0 != "(" }) && word.hasSuffix(")")
      })
  }

  private static func documentation(_ lines: [Substring], above index: Int) -> [Substring] {
    var first = index
    while first > 0, ["///", "@"].contains(where: lines[first - 1].drop { $0 == " " }.hasPrefix) { first -= 1 }
    return Array(lines[first..<index])
  }
}
