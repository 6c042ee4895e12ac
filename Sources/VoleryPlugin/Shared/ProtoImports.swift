/// What a .proto file imports, read from its text: enough to say which import is the one that fails.
struct ProtoImports {
  /// In the order of the file, `public`, `weak` and `option` ones among them.
  private(set) var names: [String] = []

  init(of text: String) {
    var tokens = ProtoImports.tokens(text[...])[...]
    var startsStatement = true
    while let token = tokens.popFirst() {
      if startsStatement, token == "import" {
        if let word = tokens.first, ["public", "weak", "option"].contains(word) { tokens.removeFirst() }
        if let name = tokens.first, name.first == "\"" { names.append(String(name.dropFirst())) }
      }
      startsStatement = [";", "{", "}"].contains(token)
    }
  }

  /// Words and single characters as they are, texts with a `"` before them; no comments.
  private static func tokens(_ text: Substring) -> [String] {
    var tokens: [String] = []
    var rest = text
    while let first = rest.first {
      if rest.hasPrefix("//") {
        rest = rest.drop { !$0.isNewline }
      } else if rest.hasPrefix("/*") {
        rest.removeFirst(2)
        while !rest.isEmpty, !rest.hasPrefix("*/") { rest.removeFirst() }
        rest = rest.dropFirst(2)
      } else if first == "\"" || first == "'" {
        let body = rest.dropFirst().prefix { $0 != first && !$0.isNewline }
        tokens.append("\"" + body)
        rest = rest[body.endIndex...].dropFirst()
      } else if first.isLetter || first == "_" {
        let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        tokens.append(String(word))
        rest = rest[word.endIndex...]
      } else {
        if !first.isWhitespace { tokens.append(String(first)) }
        rest.removeFirst()
      }
    }
    return tokens
  }
}
