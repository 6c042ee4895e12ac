import Foundation
import Testing

/// PyPI's protobuf, which decides what is right: `arbiter.py` as a process that answers line by line.
final class Arbiter {
  enum Question: String {
    case fromJSON = "J"
    case fromText = "T"
    case toJSON = "j"
    case toText = "t"
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  /// Made by `make python`.
  static let python = root.appendingPathComponent(".build/python/bin/python")
  static var isThere: Bool { FileManager.default.isExecutableFile(atPath: python.path) }

  /// The answers to all questions; nil for those that it refuses.
  static func ask(_ questions: [(Question, [UInt8])]) throws -> [[UInt8]?] {
    let process = Process()
    process.executableURL = python
    process.arguments = [root.appendingPathComponent("Tests/MessageFormatTests/arbiter.py").path]
    process.environment = ProcessInfo.processInfo.environment.merging(["PYTHONUTF8": "1"]) { own, _ in own }
    let input = FileManager.default.temporaryDirectory.appendingPathComponent("volery-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: input) }
    let lines = questions.map { "\($0.rawValue) \(hexadecimal($1))\n" }.joined()
    try lines.write(to: input, atomically: true, encoding: .utf8)
    let output = Pipe()
    process.standardInput = try FileHandle(forReadingFrom: input)
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let answers = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { bytes(String($0)) }
    process.waitUntilExit()
    try #require(answers.count == questions.count, "the arbiter gave \(answers.count) answers, not \(questions.count)")
    return answers
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  private static func bytes(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2), text != "error" else { return nil }
    let value = { (digit: UInt8) in digit < 0x3a ? digit - 0x30 : digit - 0x57 }
    return stride(from: 0, to: digits.count, by: 2).map { value(digits[$0]) << 4 | value(digits[$0 + 1]) }
  }
}
