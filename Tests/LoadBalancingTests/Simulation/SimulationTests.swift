import Foundation
import Testing

/// The policies in the simulator, against the bars; the page's table is what comes of it.
@Suite("Policies, simulated", .serialized) struct SimulationTests {
  static let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../Docs/Balancing.md")

  @Test("the default policy reaches its bars, and the page's table is what the simulator says") func table() throws {
    let table = try SimulationTable()
    let row = try #require(table.rows.first)
    #expect(row.candidate == .roundRobinLeastRequest)
    #expect(row.skew500 <= 1.005, "turns that were lost by chance are given back")
    #expect(row.skew20 <= 1.01)
    #expect(row.skewTenClients <= 1.05)
    #expect(row.slowShare <= 8)
    #expect(row.slowP99Ratio <= 5)
    #expect(row.hungFailures <= 25)
    // One probe in each pause: 1, 2, 4, 8 ... seconds.
    #expect(row.hungFailuresLater <= 6)
    #expect(row.fastFailShare <= 5)
    #expect(row.newPodRatio <= 2)
    #expect(row.coldPodRatio <= 2)
    let peak = try #require(table.rows.first { $0.candidate == .builtInPeakEWMA })
    #expect(peak.slowShare <= 8 && peak.slowP99Ratio <= 5)
    #expect(peak.fastFailShare <= 5, "who fails fast does not look fast")
    let warming = try #require(table.rows.first { $0.candidate == .slowStart })
    #expect(warming.newPodRatio <= 1 && warming.coldPodRatio < row.coldPodRatio)
    try SimulationTests.compare(table.text, from: SimulationTable.start, to: SimulationTable.end)
  }

  @Test(
    "the default keeps off a slow server, has equal shares while all are alike, and takes none for slow that is not")
  func slowness() throws {
    let table = try SlownessTable()
    let row = try #require(table.rows.first)
    #expect(row.candidate == .roundRobinLeastRequest)
    for spread in row.spreads {
      #expect(spread.skew <= 1.02)
      #expect(spread.ejections == 0)
      #expect(spread.slowShare <= 1)
      #expect(spread.slowP99Ratio <= 2)
      #expect(spread.secondsUntilBack <= 10)
    }
    #expect(row.mixedEjections == 0 && row.mixedSkew <= 1.1)
    #expect(row.pausesEjections == 0)
    #expect(row.twiceShare >= 15, "one that is twice as slow is used")
    // No other one has both.
    for other in table.rows.dropFirst() {
      #expect(other.spreads.contains { $0.skew > 1.02 || $0.slowP99Ratio > 2 }, "\(other.candidate)")
    }
    try SimulationTests.compare(table.text, from: SlownessTable.start, to: SlownessTable.end)
  }

  @Test("who gets which server: by subsets, zones, keys and weights") func choices() throws {
    let table = try ChoiceTable()
    let numbered = table.subsets[0]
    #expect(numbered.skew <= 1.10 && numbered.changedWhenReplaced <= 1 && numbered.mostChangedWhenGone <= 6)
    #expect(table.subsets[1].changedWhenReplaced <= 1 && table.subsets[1].mostChangedWhenGone <= 1)
    #expect(table.zones.local >= 90 && table.zones.alone <= 1.3)
    #expect(table.keys.moved <= 12 && table.keys.needless == 0)
    for row in table.weights.prefix(2) { #expect(row.after600 <= 1, "\(row.policy)") }
    try SimulationTests.compare(table.text, from: ChoiceTable.start, to: ChoiceTable.end)
  }

  /// The page has what the simulator says, or gets it.
  private static func compare(_ text: String, from startMark: String, to endMark: String) throws {
    let old = try String(contentsOf: page, encoding: .utf8)
    let start = try #require(old.range(of: startMark))
    let end = try #require(old.range(of: endMark))
    if ProcessInfo.processInfo.environment["VOLERY_WRITE_BALANCING"] != nil {
      let new = old.replacingCharacters(in: start.lowerBound..<end.upperBound, with: text)
      try new.write(to: page, atomically: true, encoding: .utf8)
    } else {
      #expect(old[start.lowerBound..<end.upperBound] == text, "make balancing writes the table anew")
    }
  }

  @Test("the same seed gives the same calls") func reproducible() throws {
    func run() throws -> [Int] {
      let simulator = try Simulator(
        .roundRobinLeastRequest, pods: Array(repeating: Simulator.Pod(), count: 3), rate: 100, seconds: 3, seed: 7)
      simulator.run()
      return simulator.calls.map(\.pod)
    }
    #expect(try run() == run())
  }
}
