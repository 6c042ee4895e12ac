import Foundation
import Testing

/// Docs/Troubleshooting.md has every text that a test of mistakes brings about.
enum MistakePage {
  static let text: String = {
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Docs/Troubleshooting.md")
    return (try? String(contentsOf: page, encoding: .utf8)) ?? ""
  }()

  /// The error's text; empty where there is none.
  static func text(of body: () async throws -> Void) async -> String {
    do {
      try await body()
      return ""
    } catch {
      return "\(error)"
    }
  }

  /// What was said has all of these parts, and the page has the first of them.
  static func check(_ said: String, _ parts: [String]) {
    for part in parts { #expect(said.contains(part), "\(said)") }
    let isTold = text.contains(parts[0])
    #expect(isTold, "Docs/Troubleshooting.md has nothing about: \(parts[0])")
  }
}
