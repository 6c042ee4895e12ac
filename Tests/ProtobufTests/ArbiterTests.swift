import Foundation
import TestMessages
import Testing
import VoleryProtobuf

/// Thousands of inputs, most of them odd, decoded and encoded by us and by upb, which is not ours (arbiter.py).
@Suite("Another implementation's opinion", .timeLimit(.minutes(3))) struct ArbiterTests {
  static func answer<M: Message>(_ type: M.Type, _ bytes: [UInt8]) -> String {
    guard let message = try? M(decoding: bytes), let encoded = try? message.encoded() else { return "error" }
    return encoded.map { String(UInt16($0) + 0x100, radix: 16).suffix(2) }.joined()
  }

  static let answers: [String: @Sendable ([UInt8]) -> String] = [
    "volery.tests.Everything": { answer(Everything.self, $0) }, "volery.tests.Old": { answer(Old.self, $0) },
    "volery.tests.ClosedEnums": { answer(ClosedEnums.self, $0) }, "volery.tests.Groups": { answer(Groups.self, $0) },
    "volery.tests.Required": { answer(Required.self, $0) }, "volery.tests.Extended": { answer(Extended.self, $0) },
    "volery.tests.editions.Message": { answer(EditionMessage.self, $0) },
  ]

  static func bytes(_ hexadecimal: Substring) -> [UInt8] {
    let digits = Array(hexadecimal.utf8).map { $0 < 0x3a ? $0 - 0x30 : $0 - 0x57 }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  @Test("upb reads what we read, refuses what we refuse, and finds in our bytes what it found in the input")
  func agreement() throws {
    let root = GeneratedCodeTests.root
    let script = root.appendingPathComponent("Tests/ProtobufTests/arbiter.py").path
    let environment = root.appendingPathComponent("Tests/Interop/environment.sh").path
    let lines = try GeneratedCodeTests.output(environment, []).split(separator: "\n")
    let interpreter = String(try #require(lines.last))
    // A seed that changes would make a test that fails now and then; other seeds: VOLERY_SEED.
    let seed = ProcessInfo.processInfo.environment["VOLERY_SEED"] ?? "1"
    let cases = try GeneratedCodeTests.output(interpreter, [script, "make", "3000", seed])
    var answered: [String] = []
    for line in cases.split(separator: "\n") {
      let parts = line.split(separator: " ", omittingEmptySubsequences: false)
      let answer = try #require(Self.answers[String(parts[0])])
      answered.append("\(line) \(answer(Self.bytes(parts[1])))\n")
    }
    #expect(answered.count == 3000)
    let refused = answered.count { $0.hasSuffix(" error\n") }
    #expect(refused > 100 && refused < 1500, "an arbiter that sees one kind of case sees nothing")
    let verdict = try GeneratedCodeTests.output(interpreter, [script, "judge"], input: Data(answered.joined().utf8))
    #expect(verdict.isEmpty, "\(verdict.prefix(2000))")
  }
}
