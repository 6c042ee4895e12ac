import Foundation
import Testing

/// The interceptors in the box are examples, too.
@Suite("The interceptors' sources") struct ReadabilityTests {
  @Test("are short enough to be read as examples") func length() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Sources/VoleryInterceptors")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(files.count >= 6)
    for file in files {
      let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
      let count = text.split(separator: "\n", omittingEmptySubsequences: false).count - 1
      #expect(count < 80, "\(file) has \(count) lines")
    }
  }
}
