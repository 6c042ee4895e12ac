import Foundation
import Testing

/// Docs/Production.md builds Examples/Shop; Tests/Pages/follow.py builds and runs what the page says.
@Suite("The page on production") struct ShopPageTests {
  static let shop = ImportTests.root.appendingPathComponent("Examples/Shop")

  /// The files that the page writes, by path: what stands below a paragraph that names one.
  static func files() throws -> [String: String] {
    let page = try String(contentsOf: ImportTests.root.appendingPathComponent("Docs/Production.md"), encoding: .utf8)
    var files: [String: String] = [:]
    for match in page.matches(of: /`([\w.\/-]+\.(?:swift|proto|json))`(?:[^\n]|\n(?!\n))*\n\n```\w+\n((?s).*?)```\n/) {
      files[String(match.1)] = String(match.2)
    }
    return files
  }

  @Test("has each file of Examples/Shop as it stands there; make generate writes them anew") func same() throws {
    let files = try Self.files()
    var found: Set<String> = []
    for case let url as URL in FileManager.default.enumerator(at: Self.shop, includingPropertiesForKeys: nil)! {
      let path = String(url.path.dropFirst(Self.shop.path.count + 1))
      let isMade = path.hasPrefix(".") || path == "Package.resolved" || path.hasPrefix("certificates/")
      guard !isMade, ["swift", "proto", "json"].contains(url.pathExtension) else { continue }
      found.insert(path)
      let text = try String(contentsOf: url, encoding: .utf8)
      let page = files[path]?.replacing(/\.package\(url: "\S+volery\.git", from: "[\d.]+"\)/) { _ in
        #".package(name: "volery", path: "../..")"#
      }
      let isSame = page == text
      #expect(isSame, "\(path) differs from the page")
    }
    #expect(found == Set(files.keys))
    #expect(found.count >= 14)
  }

  /// Lines of code with one of these words, and those of a closure that begins in such a line.
  static func lines(of words: [String]) throws -> [Substring] {
    try files().filter { $0.key.hasPrefix("Sources/") && !$0.key.hasSuffix("Customers.swift") }.values.flatMap { text in
      var counted: [Substring] = []
      var closure: String?  // The indentation at which it ends.
      for line in text.split(separator: "\n") where !line.drop(while: { $0 == " " }).hasPrefix("//") {
        if let end = closure {
          counted.append(line)
          if line.hasPrefix(end + "}") { closure = nil }
        } else if words.contains(where: line.contains) {
          counted.append(line)
          if line.hasSuffix(" in") { closure = String(line.prefix { $0 == " " }) }
        }
      }
      return counted
    }
  }

  @Test(
    "needs ten lines at most, where they are used, for who calls, the log and the request's id",
    arguments: [
      ["Authentication", "caller(", "ustomers"], ["AccessLog", "Logger", "logger"], ["RequestID"],
    ])
  func lines(_ words: [String]) throws {
    let lines = try Self.lines(of: words)
    #expect(!lines.isEmpty && lines.count <= 10, "\(lines.joined(separator: "\n"))")
  }
}
