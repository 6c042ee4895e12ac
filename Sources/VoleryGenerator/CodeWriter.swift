/// Collects lines with their indentation.
struct CodeWriter {
  private(set) var text = ""
  private var depth = 0

  mutating func line(_ line: String = "") {
    text += line.isEmpty ? "\n" : String(repeating: "  ", count: depth) + line + "\n"
  }

  /// `opening {`, the lines that `body` writes one step further in, `}`.
  mutating func block(_ opening: String, closing: String = "}", _ body: (inout CodeWriter) throws -> Void) rethrows {
    line(opening.isEmpty ? "{" : "\(opening) {")
    depth += 1
    try body(&self)
    depth -= 1
    line(closing)
  }

  /// A comment of the .proto as a doc comment.
  mutating func comment(_ text: String) {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    while lines.last?.allSatisfy({ $0 == " " }) == true { lines.removeLast() }
    for line in lines {
      self.line(line.allSatisfy { $0 == " " } ? "///" : "///\(line.hasPrefix(" ") ? "" : " ")\(line)")
    }
  }

  /// The same, or where the .proto has none what is said of its kind.
  mutating func comment(_ text: String, or other: String) {
    comment(text.allSatisfy { $0 == " " || $0 == "\n" } ? other : text)
  }

  /// Of a type or a case, which generated code itself has to name: an attribute would warn in there.
  mutating func deprecation(_ isDeprecated: Bool) {
    if isDeprecated { line("/// - Warning: deprecated in the .proto.") }
  }
}
