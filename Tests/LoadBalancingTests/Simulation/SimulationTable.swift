import Foundation

/// The table of Docs/Balancing.md: every policy in every situation, from the simulator.
struct SimulationTable {
  struct Row {
    let candidate: Candidate
    let skew500: Double
    let skew20: Double
    let skewTenClients: Double
    let slowShare: Double
    let slowP99: Double
    let slowP99Ratio: Double
    let hungFailures: Int
    let hungFailuresLater: Int
    let fastFailShare: Double
    let newPodRatio: Double
    let coldPodRatio: Double
  }

  static let candidates: [Candidate] = [
    .roundRobinLeastRequest, .roundRobin, .leastRequest, .random, .weightedRoundRobin, .builtInPeakEWMA, .sampledLeastRequest,
    .slowStart,
  ]
  static let start = "<!-- simulation: written by `make balancing` -->"
  static let end = "<!-- end of simulation -->"

  let rows: [Row]

  init() throws { rows = try SimulationTable.candidates.map(SimulationTable.row) }

  private static func simulate(
    _ candidate: Candidate, _ pods: [Simulator.Pod], rate: Double = 500, seconds: Double = 20, seed: UInt64 = 1
  ) throws -> Simulator {
    let simulator = try Simulator(candidate, pods: pods, rate: rate, seconds: seconds, seed: seed)
    simulator.run()
    return simulator
  }

  private static func row(_ candidate: Candidate) throws -> Row {
    let five = Array(repeating: Simulator.Pod(), count: 5)
    func with(_ change: (inout Simulator.Pod) -> Void) -> [Simulator.Pod] {
      var pods = five
      change(&pods[2])
      return pods
    }
    func joining(cold seconds: Double) -> [Simulator.Pod] {
      five + [Simulator.Pod(joins: 5, coldSeconds: seconds)]
    }
    let even = try simulate(candidate, five)
    let slow = try simulate(candidate, with { $0.slowness = 10 })
    let hung = try simulate(candidate, with { $0.conduct = .hangs })
    let failing = try simulate(candidate, with { $0.conduct = .failsFast }, seconds: 6)
    let new = try simulate(candidate, joining(cold: 0), seconds: 6.5)
    let cold = try simulate(candidate, joining(cold: 1), seconds: 6.5)
    return Row(
      candidate: candidate, skew500: even.skew, skew20: try simulate(candidate, five, rate: 20, seconds: 50).skew,
      skewTenClients: try tenClients(candidate), slowShare: 100 * slow.share(of: 2), slowP99: slow.percentile(0.99),
      slowP99Ratio: slow.percentile(0.99) / even.percentile(0.99), hungFailures: hung.failures(to: 3),
      hungFailuresLater: hung.failures(from: 5), fastFailShare: 100 * failing.share(of: 2, since: 2),
      newPodRatio: new.outstandingRatio(of: 5, from: 5, to: 6),
      coldPodRatio: cold.outstandingRatio(of: 5, from: 5, to: 6))
  }

  /// Ten clients that start together, 53 calls each.
  private static func tenClients(_ candidate: Candidate) throws -> Double {
    var counts = Array(repeating: 0, count: 5)
    for client in 1...10 {
      let simulator = try simulate(
        candidate, Array(repeating: Simulator.Pod(), count: 5), rate: 53, seconds: 3, seed: UInt64(client))
      for call in simulator.calls.prefix(53) { counts[call.pod] += 1 }
    }
    return Double(counts.max()! * 5) / Double(counts.reduce(0, +))
  }

  /// Markdown, between the two marks.
  var text: String {
    func number(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
    let body = rows.map { row in
      "| \(row.candidate.name) | \(number(row.skew500, 3)) | \(number(row.skew20, 3)) | \(number(row.skewTenClients, 3)) "
        + "| \(number(row.slowShare, 1)) %, \(number(row.slowP99, 0)) ms (\(number(row.slowP99Ratio, 1))x) "
        + "| \(row.hungFailures), then \(row.hungFailuresLater) | \(number(row.fastFailShare, 2)) % "
        + "| \(number(row.newPodRatio, 2)) | \(number(row.coldPodRatio, 2)) |"
    }
    return ([SimulationTable.start, "", SimulationTable.heading] + body + ["", SimulationTable.end])
      .joined(separator: "\n")
  }

  private static let heading = """
    | Policy | equal pods | at 20 calls/s | ten clients | a pod 10x slower | a pod that hangs | a pod that fails at once | a new pod | a cold pod |
    |---|---|---|---|---|---|---|---|---|
    """
}
