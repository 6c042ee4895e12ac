import Foundation
import Testing

/// How large files and types may become: Docs/Architecture.md, and CONTRIBUTING.md.
@Suite("Sizes") struct SizeTests {
  static let lineLimit = 300
  static let propertyLimit = 15
  /// What a type's documentation says where it has more, with the reason behind it.
  static let excuse = "More than 15 stored properties: "

  /// Files that are longer, with what they have now: they may only shrink, and go when they are within the limit.
  static let longFiles: [String: Int] = [:]
  /// Types that have more stored properties, and do not say why yet.
  static let largeTypes: [String: Int] = [:]

  static let sources = ImportTests.root.appendingPathComponent("Sources")

  /// What people have written: generated code is as long as its .proto.
  static func files() throws -> [(name: String, lines: [Substring])] {
    let names = FileManager.default.enumerator(atPath: sources.path)?.compactMap { $0 as? String } ?? []
    return try names.filter { $0.hasSuffix(".swift") && !$0.hasSuffix(".volery.swift") }.map { name in
      var text = try String(contentsOf: sources.appendingPathComponent(name), encoding: .utf8)
      if text.hasSuffix("\n") { text.removeLast() }
      return (name, text.split(separator: "\n", omittingEmptySubsequences: false))
    }
  }

  @Test("no source file is longer than 300 lines") func fileLength() throws {
    var exceptions = Self.longFiles
    for (name, lines) in try Self.files() {
      let allowed = exceptions.removeValue(forKey: name) ?? Self.lineLimit
      #expect(lines.count <= allowed, "\(name) has \(lines.count) lines: split it by noun, by side or by state")
      #expect(
        allowed == Self.lineLimit || lines.count > Self.lineLimit,
        "\(name) has become short: take it off the list")
    }
    #expect(exceptions.isEmpty, "there is no such file: \(exceptions.keys.joined(separator: ", "))")
  }

  @Test("no type has more than 15 stored properties without a sentence that says why") func storedProperties() throws {
    var exceptions = Self.largeTypes
    for (name, lines) in try Self.files() {
      for type in StoredProperties.types(in: lines) {
        let allowed = exceptions.removeValue(forKey: type.name) ?? Self.propertyLimit
        let isExcused = type.documentation.contains { $0.contains(Self.excuse) }
        #expect(
          type.count <= allowed || isExcused,
          "\(name): \(type.name) has \(type.count) stored properties; group them, or say \"\(Self.excuse)...\" in its documentation"
        )
        #expect(
          !isExcused || type.count > Self.propertyLimit, "\(name): \(type.name) need not say why it has so many")
        #expect(
          allowed == Self.propertyLimit || (type.count > Self.propertyLimit && !isExcused),
          "\(type.name) is within the rule: take it off the list")
      }
    }
    #expect(exceptions.isEmpty, "there is no such type: \(exceptions.keys.joined(separator: ", "))")
  }

  @Test("what counts as a stored property") func counting() {
    let text = """
      /// A comment with { and var in it.
      ///
      /// Says why.
      @frozen public final class Outer: Base {
        struct Inner {
          var inner = 1
        }
        static let shared = Outer()
        @exclusivity(unchecked) package private(set) var a = "{ \\"b\\" {"
        private unowned(unsafe) let b: Other?  // { not a brace
        lazy var c = { 3 }()
        var observed = 0 {
          didSet { print(observed) }
        }
        var computed: Int { a.count }
        var longer: Int {
          let local = 1
          return local
        }
        let closure: () -> Void
        func f() {
          var d = 1
          d += 1
        }
      }
      extension Outer {
        var more: Int { 1 }
      }
      """
    let types = StoredProperties.types(in: text.split(separator: "\n", omittingEmptySubsequences: false))
    #expect(types.map(\.name) == ["Inner", "Outer"])
    #expect(types.map(\.count) == [1, 5])
    #expect(types.last?.documentation.contains { $0.contains("Says why.") } == true)
  }
}
