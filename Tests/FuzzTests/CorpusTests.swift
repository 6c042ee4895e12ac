import Foundation
import FuzzTargets
import Testing

/// Every input that the fuzzer kept, those that were findings once among them. `make fuzz` looks for new ones.
@Suite("The fuzzer's corpus", .timeLimit(.minutes(2))) struct CorpusTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fuzz/Corpus")

  @Test("every input of the corpus is read without a finding", arguments: FuzzTarget.allCases)
  func replay(_ target: FuzzTarget) throws {
    let files = try FileManager.default.contentsOfDirectory(
      at: Self.folder.appendingPathComponent(target.rawValue), includingPropertiesForKeys: nil)
    #expect(files.count >= 5)
    for file in files {
      try Data(contentsOf: file).withUnsafeBytes { target.run($0) }
    }
  }

  @Test("inputs cut short, and with a bit turned, are read without a finding", arguments: FuzzTarget.allCases)
  func mutations(_ target: FuzzTarget) throws {
    let files = try FileManager.default.contentsOfDirectory(
      at: Self.folder.appendingPathComponent(target.rawValue), includingPropertiesForKeys: nil
    ).sorted { $0.path < $1.path }
    let deadline = ContinuousClock.now + .seconds(2)
    var state: UInt64 = 1  // The same inputs at every run, as many as there is time for.
    while ContinuousClock.now < deadline {
      for file in files {
        var input = try Data(contentsOf: file)
        for _ in 0..<3 where !input.isEmpty {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          let place = Int(state >> 33) % input.count
          if state >> 32 & 7 == 0 { input = input.prefix(place) } else { input[place] ^= 1 << UInt8(state >> 60 & 7) }
        }
        input.withUnsafeBytes { target.run($0) }
      }
    }
  }
}
