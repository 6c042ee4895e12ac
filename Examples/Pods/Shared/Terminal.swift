#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Writes a line at once, whoever reads it.
package func writeLine(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  _ = write(1, bytes, bytes.count)
}

/// Shows a table that is drawn over itself where standard output is a terminal, and once in a while where it is not.
package struct LiveTable {
  private let isTerminal = isatty(1) == 1
  private var drawn = 0

  package init() {}

  package mutating func draw(_ lines: [String]) {
    guard isTerminal else { return }
    if drawn > 0 { writeLine("\u{1b}[\(drawn + 1)A") }
    for line in lines { writeLine("\u{1b}[2K" + line) }
    drawn = lines.count
  }

  /// Leaves the table where it is.
  package mutating func keep(_ lines: [String]) {
    if isTerminal { draw(lines) } else { for line in lines { writeLine(line) } }
    drawn = 0
  }
}
