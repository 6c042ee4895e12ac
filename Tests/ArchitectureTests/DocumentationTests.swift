import Foundation
import Testing

/// CONTRIBUTING.md's rule for what users see: each public declaration has a docstring, which states its contract.
@Suite("The documentation") struct DocumentationTests {
  static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Sources")

  /// Written for everybody, and made from .proto files, whose comments are others'.
  static func isGenerated(_ file: String) -> Bool { file.hasSuffix(".volery.swift") }

  /// `public` or `open`, behind attributes and among other modifiers; what an extension or a member of it is.
  nonisolated(unsafe) static let declaration =
    /^(?:@\w+(?:\([^)]*\))? )*(?:\w+ )*?(?:public|open)(?:\((?:get|set)\))? (?!import\b|extension\b|[+\-*\/]?=)/
  /// What stands in the body of a public protocol or enum is public without saying so.
  nonisolated(unsafe) static let type = /^(?:@\w+ )*public (?:indirect )?(protocol|enum)\b/
  nonisolated(unsafe) static let requirement =
    /^(?:@\w+ )*(?:mutating |nonisolated |static )*(?:func|var|init|associatedtype|subscript)\b/
  nonisolated(unsafe) static let enumCase = /^(?:indirect )?case\b/

  /// The declarations of a file that have no docstring, with their line numbers.
  static func undocumented(_ text: String) -> [(line: Int, text: String)] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { (line: Substring) in
      (indentation: line.prefix { $0 == " " }.count, text: line.drop { $0 == " " })
    }
    let texts = lines.map(\.text)
    var found: [(line: Int, text: String)] = []
    var body: (indentation: Int, kind: Substring)?
    for (index, line) in lines.enumerated() {
      if let open = body, line.text.hasPrefix("}"), line.indentation == open.indentation { body = nil }
      var isPublic = saysPublic(line.text)
      if let open = body, line.indentation == open.indentation + 2 {
        isPublic = isPublic || line.text.starts(with: open.kind == "enum" ? enumCase : requirement)
      }
      if isPublic, let match = line.text.prefixMatch(of: type), !line.text.hasSuffix("}") {
        body = (line.indentation, match.output.1)
      }
      if isPublic, !isDocumented(texts, at: index) { found.append((index + 1, String(line.text))) }
    }
    return found
  }

  private static func saysPublic(_ line: Substring) -> Bool {
    (line.contains("public") || line.contains("open")) && line.starts(with: declaration)
  }

  /// A docstring stands above, with nothing but attributes between.
  private static func isDocumented(_ lines: [Substring], at index: Int) -> Bool {
    var above = index - 1
    while above >= 0, !lines[above].hasPrefix("///") {
      let line = lines[above]
      if line == ")" {  // The end of an attribute of several lines.
        let attribute = lines[max(0, above - 8)..<above]
        guard let start = attribute.lastIndex(where: { $0.hasPrefix("@") }) else { return false }
        above = start
      } else if !line.hasPrefix("@") || saysPublic(line) || line.hasSuffix("{") {
        return false
      }
      above -= 1
    }
    return above >= 0
  }

  static let files =
    (FileManager.default.enumerator(atPath: sources.path)?.compactMap { $0 as? String } ?? [])
    .filter { $0.hasSuffix(".swift") && !isGenerated($0) }.sorted()

  @Test("every public declaration has a docstring, which states its contract") func declarations() throws {
    #expect(Self.files.count > 200)
    for file in Self.files {
      let text = try String(contentsOf: Self.sources.appendingPathComponent(file), encoding: .utf8)
      guard text.contains("public ") || text.contains("open ") else { continue }
      for found in Self.undocumented(text) {
        Issue.record("\(file):\(found.line): \(found.text): say what holds for it (CONTRIBUTING.md)")
      }
    }
  }

  /// What generated code implements of its protocols, whose docstrings hold there, too; and what is for it alone.
  nonisolated(unsafe) static let inherited =
    /^public (?:static )?(?:var (?:unknownFields|messageName|rawValue|handlers|fileDescriptors)\b|init\(\) \{|init\??\(rawValue:|init\(_ m:|let _|func _)/

  @Test("so has generated code that users see: what the generator adds, and what Volery's own .proto files declare")
  func generated() throws {
    let files = (FileManager.default.enumerator(atPath: Self.sources.path)?.compactMap { $0 as? String } ?? [])
      .filter(Self.isGenerated).sorted()
    #expect(files.count > 10)
    for file in files {
      let text = try String(contentsOf: Self.sources.appendingPathComponent(file), encoding: .utf8)
        .replacing("public nonisolated ", with: "public ")
      for found in Self.undocumented(text) where !found.text.starts(with: Self.inherited) {
        Issue.record("\(file):\(found.line): \(found.text): a comment in the .proto, or in the generator, is missing")
      }
    }
  }

  @Test(
    "the rule finds what has no docstring",
    arguments: [
      ("public var a = 1", 1),
      ("/// A.\npublic var a = 1", 0),
      ("/// A.\n@inlinable\n@_transparent\npublic func a() {}", 0),
      ("/// A.\n\npublic func a() {}", 1),
      ("// A.\npublic func a() {}", 1),
      ("/// A.\n@available(\n  *, unavailable, message: \"b\"\n)\npublic func a() {}", 0),
      ("@available(\n  *, unavailable, message: \"b\"\n)\npublic func a() {}", 1),
      ("@frozen public struct A {\n  public var a = 1\n}", 2),
      ("/// A.\n@frozen public struct A {\n  @inlinable public static func a() {}\n}", 1),
      ("/// A.\npublic private(set) var a = 1\npublic private(set) var b = 1", 1),
      ("/// A.\npublic protocol A {\n  func a()\n  /// B.\n  var b: Int { get }\n}\nfunc c() {}", 1),
      ("/// A.\npublic enum A {\n  case a\n  /// B.\n  case b\n  func c() {\n    case .a: 1\n  }\n}", 1),
      ("/// A.\npublic enum A {}\ncase a", 0),
      ("public import A\npublic extension A {}\nopen += 1\npackage var a = 1\nvar isPublic = 2", 0),
    ]) func finds(_ text: String, _ count: Int)
  { #expect(Self.undocumented(text).count == count) }
}
