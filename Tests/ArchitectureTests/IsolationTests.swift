import Foundation
import Testing

/// Docs/Concurrency.md's table of what the compiler is told instead of asked, as a check that runs.
@Suite("Isolation that the compiler can't see") struct IsolationTests {
  static let marker = "// Isolation: "

  /// The first column of the page's table.
  static func kinds() throws -> Set<String> {
    let page = ImportTests.root.appendingPathComponent("Docs/Concurrency.md")
    let lines = try String(contentsOf: page, encoding: .utf8).split(separator: "\n")
    return Set(lines.filter { $0.hasPrefix("| `") }.map { String($0.split(separator: "`")[1]) })
  }

  struct Place: CustomStringConvertible {
    var file: String
    var line: Int
    var text: String
    /// Nil: nobody says.
    var kind: String?
    var description: String { "Sources/\(file):\(line): \(text.drop { $0 == " " })" }
  }

  static func kind(in line: Substring) -> String? {
    line.range(of: marker).map { String(line[$0.upperBound...]) }
  }

  /// The escapes of a file, each with the kind that its line, or the type around it, names.
  static func escapes(in file: String, _ text: String) -> [Place] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.indices.compactMap { index in
      let line = lines[index]
      let code = line.components(separatedBy: "//")[0]
      let isOwn = code.contains("@unchecked Sendable") || code.contains("nonisolated(unsafe)")
      let isInherited = code.contains("@exclusivity(unchecked)") || code.contains("unowned(unsafe)")
      guard isOwn || isInherited else { return nil }
      var kind = kind(in: line)
      if kind == nil, isInherited { kind = lines[..<index].last { isType($0, around: line) }.flatMap(Self.kind) }
      return Place(file: file, line: index + 1, text: String(line), kind: kind)
    }
  }

  private static func indentation(_ line: Substring) -> Int { line.prefix { $0 == " " }.count }

  private static func isType(_ line: Substring, around inner: Substring) -> Bool {
    let words = line.components(separatedBy: "//")[0].split(separator: " ")
    return indentation(line) < indentation(inner)
      && words.contains { ["class", "struct", "enum", "extension", "actor"].contains($0) }
  }

  @Test("each escape from the compiler's checks is of a kind that the page gives a reason for") func named() throws {
    let kinds = try Self.kinds()
    #expect(kinds.contains("loop"))
    let sources = ImportTests.root.appendingPathComponent("Sources")
    let files = FileManager.default.enumerator(atPath: sources.path)?.compactMap { $0 as? String } ?? []
    var used: Set<String> = []
    for file in files where file.hasSuffix(".swift") && !file.hasSuffix(".volery.swift") {
      let text = try String(contentsOf: sources.appendingPathComponent(file), encoding: .utf8)
      for place in Self.escapes(in: file, text) {
        let kind = place.kind ?? "nothing"
        #expect(kinds.contains(kind), "\(place): says \(kind), see Docs/Concurrency.md")
        used.insert(kind)
      }
    }
    #expect(used == kinds, "the page's table has kinds that nobody is of")
  }

  @Test("an escape without a kind is found, wherever it is") func found() {
    let text = """
      final class Plain: @unchecked Sendable {}
      final class Named: @unchecked Sendable {  // Isolation: loop
        @exclusivity(unchecked) var count = 0
        struct Inner {
          @exclusivity(unchecked) var count = 0
        }
        unowned(unsafe) let owner: Plain
      }
      // @unchecked Sendable in a comment is none.
      nonisolated(unsafe) let table = 0  // Isolation: constant
      """
    let found = Self.escapes(in: "x.swift", text)
    #expect(found.map(\.line) == [1, 2, 3, 5, 7, 10])
    #expect(found.map(\.kind) == [nil, "loop", "loop", nil, "loop", "constant"])
  }
}
