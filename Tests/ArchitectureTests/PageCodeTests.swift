import Foundation
import Testing

/// What the pages on interceptors and observers have to be written out stands in an example, so that it compiles and runs.
@Suite("The code of pages") struct PageCodeTests {
  /// The types of a page's Swift, whole.
  static func types(in page: String) -> [String] {
    page.components(separatedBy: "```").enumerated().filter { $0.offset % 2 == 1 && $0.element.hasPrefix("swift\n") }
      .flatMap { _, block in
        var found: [String] = []
        var type: [Substring]?
        for line in block.split(separator: "\n", omittingEmptySubsequences: false) {
          if line.hasPrefix("struct ") || line.hasPrefix("final class ") { type = [line] } else { type?.append(line) }
          if line == "}", let whole = type.take() { found.append(whole.joined(separator: "\n")) }
        }
        return found
      }
  }

  @Test(
    "interceptors and observers stand in Examples/TenLines as in their page", arguments: ["Interceptors", "Observers"])
  func same(_ name: String) throws {
    let page = try String(
      contentsOf: ImportTests.root.appendingPathComponent("Docs/\(name).md"), encoding: .utf8)
    let example = try String(
      contentsOf: ImportTests.root.appendingPathComponent("Examples/TenLines/\(name).swift"), encoding: .utf8)
    let types = Self.types(in: page)
    #expect(types.count >= 2)
    for type in types { #expect(example.contains(type), "Docs/\(name).md has another:\n\(type)") }
  }
}
