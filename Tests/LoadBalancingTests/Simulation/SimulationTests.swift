import Foundation
import Testing

/// The policies in the simulator, against the bars; the page's table is what comes of it.
@Suite("Policies, simulated") struct SimulationTests {
  static let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../Docs/Balancing.md")

  @Test("the default policy reaches its bars, and the page's table is what the simulator says") func table() throws {
    let table = try SimulationTable()
    let row = try #require(table.rows.first)
    #expect(row.policy == "rr_least_request")
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
    let old = try String(contentsOf: SimulationTests.page, encoding: .utf8)
    let start = try #require(old.range(of: SimulationTable.start))
    let end = try #require(old.range(of: SimulationTable.end))
    if ProcessInfo.processInfo.environment["VOLERY_WRITE_BALANCING"] != nil {
      let new = old.replacingCharacters(in: start.lowerBound..<end.upperBound, with: table.text)
      try new.write(to: SimulationTests.page, atomically: true, encoding: .utf8)
    } else {
      #expect(old[start.lowerBound..<end.upperBound] == table.text, "make balancing writes the table anew")
    }
  }

  @Test("the same seed gives the same calls") func reproducible() throws {
    func run() throws -> [Int] {
      let simulator = try Simulator(
        "rr_least_request", pods: Array(repeating: Simulator.Pod(), count: 3), rate: 100, seconds: 3, seed: 7)
      simulator.run()
      return simulator.calls.map(\.pod)
    }
    #expect(try run() == run())
  }
}
