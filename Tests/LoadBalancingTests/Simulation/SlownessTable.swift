import Foundation

/// The second table of Docs/Balancing.md: who keeps off a slow server, and has equal shares while all are alike.
struct SlownessTable {
  struct Spread {
    let skew: Double
    let ejections: Int
    let slowShare: Double
    let slowP99Ratio: Double
    let secondsUntilBack: Double
  }

  struct Row {
    let candidate: Candidate
    let spreads: [Spread]
    let mixedSkew: Double
    let mixedEjections: Int
    let pausesEjections: Int
    let twiceShare: Double
  }

  static let start = "<!-- slowness: written by `make balancing` -->"
  static let end = "<!-- end of slowness -->"

  let rows: [Row]

  init() throws { rows = try Candidate.allCases.filter(\.isComparedWhenSlow).map(SlownessTable.row) }

  private static func row(_ candidate: Candidate) throws -> Row {
    func simulate(
      seconds: Double = 20, spread: Simulator.Spread = .exponential, methods: [Simulator.Method] = [.init()],
      slots: Int = 8, deadline: Double = 2, _ change: (inout Simulator.Pod) -> Void = { _ in }
    ) throws -> Simulator {
      var pods = Array(repeating: Simulator.Pod(), count: 5)
      change(&pods[2])
      let simulator = try Simulator(
        candidate, pods: pods, rate: 500, seconds: seconds, seed: 1, spread: spread, methods: methods, slots: slots,
        deadline: deadline)
      simulator.run()
      return simulator
    }
    let spreads = try Simulator.Spread.allCases.map { spread in
      let even = try simulate(spread: spread)
      let slow = try simulate(spread: spread) { $0.slowness = 10 }
      let passing = try simulate(seconds: 26, spread: spread) { pod in
        pod.slowness = 10
        pod.isSlow = 3..<10
      }
      return Spread(
        skew: even.skew, ejections: even.ejections, slowShare: 100 * slow.share(of: 2, since: 2),
        slowP99Ratio: slow.percentile(0.99) / even.percentile(0.99),
        secondsUntilBack: passing.returned(pod: 2, after: 10))
    }
    let mixed = try simulate(
      seconds: 30, methods: [.init(share: 49, meanSeconds: 0.001), .init(share: 1, meanSeconds: 1)], slots: 64,
      deadline: 30)
    let pauses = try simulate(seconds: 30) { $0.pause = (every: 2, for: 0.1) }
    return Row(
      candidate: candidate, spreads: spreads, mixedSkew: mixed.skew, mixedEjections: mixed.ejections,
      pausesEjections: pauses.ejections, twiceShare: 100 * (try simulate { $0.slowness = 2 }).share(of: 2, since: 2))
  }

  /// Markdown, between the two marks.
  var text: String {
    func number(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
    let names = ["the same", "exponential", "long tail"]
    let body = rows.map { row in
      let cells = row.spreads.map { spread in
        let back = spread.secondsUntilBack.isFinite ? "\(number(spread.secondsUntilBack, 1)) s" : "not in 15 s"
        return "\(number(spread.skew, 3)), \(spread.ejections) | \(number(spread.slowShare, 1)) %, "
          + "\(number(spread.slowP99Ratio, 1))x | \(back)"
      }
      return "| \(row.candidate.name) | \(cells.joined(separator: " | ")) | \(number(row.mixedSkew, 3)), "
        + "\(row.mixedEjections) | \(row.pausesEjections) | \(number(row.twiceShare, 1)) % |"
    }
    let columns = names.flatMap { ["\($0): alike", "a pod 10x slower", "back after"] }
    let heading = "| Policy | \(columns.joined(separator: " | ")) | 1 ms and 1 s mixed | pauses | a pod 2x slower |"
    let rule = "|" + String(repeating: "---|", count: columns.count + 4)
    return ([SlownessTable.start, "", heading, rule] + body + ["", SlownessTable.end]).joined(separator: "\n")
  }
}

extension Simulator {
  /// How long after a time a pod has three quarters of its fair share, over half a second; infinite: never.
  fileprivate func returned(pod: Int, after start: Double) -> Double {
    let fair = 1 / Double(pods.count)
    for step in 0..<30 {
      let from = start + Double(step) / 2
      let window = calls.filter { $0.start >= from && $0.start < from + 0.5 }
      if Double(window.count { $0.pod == pod }) >= 0.75 * fair * Double(window.count) { return Double(step) / 2 }
    }
    return .infinity
  }
}
