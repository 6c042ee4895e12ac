import Foundation
import Testing

/// The path of a unary call in Docs/LifeOfAnRPC.md, as a check that runs.
@Suite("The path of a call") struct CallPathTests {
  struct Step {
    let type: String
    let function: String
    let file: String
  }

  /// The rows of the page's table: `| 3 | `ClientCall.start` | `VoleryClient/Calls/ClientCall+Attempts.swift` | ... |`.
  static func steps() throws -> [Step] {
    let page = ImportTests.root.appendingPathComponent("Docs/LifeOfAnRPC.md")
    let row = /^\| \d+ \| `([A-Za-z]+)\.([A-Za-z]+)` \| `([A-Za-z0-9+\/]+\.swift)` \|/
    return try String(contentsOf: page, encoding: .utf8).split(separator: "\n").compactMap { line in
      guard let match = line.firstMatch(of: row) else { return nil }
      return Step(type: String(match.1), function: String(match.2), file: String(match.3))
    }
  }

  @Test("it is at most 20 functions in at most 12 files") func length() throws {
    let steps = try Self.steps()
    #expect((10...20).contains(steps.count), "the page's table has \(steps.count) rows")
    #expect(Set(steps.map(\.file)).count <= 12, "they stand in \(Set(steps.map(\.file)).count) files")
    #expect(Set(steps.map { "\($0.type).\($0.function)" }).count == steps.count, "one row for each function")
  }

  @Test("each function stands in the file that the page names, in its type") func places() throws {
    for step in try Self.steps() {
      let file = ImportTests.root.appendingPathComponent("Sources/\(step.file)")
      let text = try String(contentsOf: file, encoding: .utf8)
      let declaration = step.function == "init" ? "init(" : "func \(step.function)"
      let isDeclared = text.split(separator: "\n").contains { line in
        guard let range = line.range(of: declaration) else { return false }
        return step.function == "init" || ["(", "<"].contains(line[range.upperBound...].prefix(1))
      }
      #expect(isDeclared, "\(step.file) has no \(step.function)")
      let isItsType = text.contains(try Regex("(?:class|struct|enum|extension) \(step.type)\\b"))
      #expect(isItsType, "\(step.file) says nothing of \(step.type)")
    }
  }
}
