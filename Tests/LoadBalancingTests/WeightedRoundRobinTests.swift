import Testing
import VoleryLoadBalancing
import VoleryTypes

@Suite("weighted_round_robin (gRFC A58, A114)") struct WeightedRoundRobinTests {
  private static func report(
    rate: Double, utilization: Double = 0, application: Double = 0, errors: Double = 0, memory: Double = 0,
    named: [String: Double] = [:]
  ) -> LoadReport {
    var report = LoadReport()
    report.queriesPerSecond = rate
    report.cpuUtilization = utilization
    report.applicationUtilization = application
    report.errorsPerSecond = errors
    report.memoryUtilization = memory
    report.namedMetrics = named
    return report
  }

  /// - Parameter weights: That the resolver gives; as many servers.
  private static func channel(_ configuration: String, weights: [UInt32] = [1, 1, 1]) throws -> FakeChannel {
    let channel = try FakeChannel(
      "weighted_round_robin", seed: 3, configuration: try JSONValue(parsing: configuration))
    channel.run { policy, effects in
      _ = policy.update(
        weights.enumerated().map { index, weight in
          var endpoint = Endpoint(.tcp("10.0.0.1", index + 1))
          endpoint.attributes.weight = weight
          return endpoint
        }, &effects)
    }
    channel.makeReady(Array(1...weights.count))
    return channel
  }

  /// Calls that end at once, each with the report of its server.
  @discardableResult
  private static func calls(_ channel: FakeChannel, _ count: Int = 600, _ reports: [Int: LoadReport] = [:]) throws
    -> [Int: Int]
  {
    var counts: [Int: Int] = [:]
    for _ in 0..<count {
      let result = channel.pick()
      guard case .tcp(_, let port)? = result.subchannel?.endpoint.addresses.first else { continue }
      counts[port, default: 0] += 1
      guard case .attempt(let pick) = result else { continue }
      var trailers = Metadata()
      if let report = reports[port] { trailers[binary: "endpoint-load-metrics-bin"] = report.protobuf() }
      pick.ended?(
        PickEnd(code: .ok, origin: .peer, wasSent: true, trailingMetadata: trailers, duration: .milliseconds(1)))
    }
    return counts
  }

  private static let threefold = [
    1: report(rate: 100, utilization: 0.5), 2: report(rate: 200, utilization: 0.5),
    3: report(rate: 300, utilization: 0.5),
  ]

  private static func expect(_ counts: [Int: Int], _ parts: [Int], _ text: String = "") {
    let (calls, whole) = (counts.values.reduce(0, +), parts.reduce(0, +))
    for (index, part) in parts.enumerated() {
      let wanted = Double(calls * part) / Double(whole)
      #expect(abs(Double(counts[index + 1] ?? 0) - wanted) <= 2 + wanted * 0.02, "\(counts) \(text)")
    }
  }

  @Test("shares are calls a second over how busy they make the server, once the blackout period is over")
  func shares() throws {
    let channel = try Self.channel("{}")
    Self.expect(try Self.calls(channel, 600, Self.threefold), [1, 1, 1])
    channel.time = .seconds(9.5)
    Self.expect(try Self.calls(channel, 600, Self.threefold), [1, 1, 1], "within the blackout period")
    channel.time = .seconds(11.5)
    Self.expect(try Self.calls(channel, 600, Self.threefold), [1, 2, 3])
  }

  @Test("what a server last reported expires, and its next reports are waited for again") func expiry() throws {
    let channel = try Self.channel("{\"blackoutPeriod\": \"2s\", \"weightExpirationPeriod\": \"20s\"}")
    try Self.calls(channel, 300, Self.threefold)
    channel.time = .seconds(4)
    Self.expect(try Self.calls(channel, 600), [1, 2, 3])
    channel.time = .seconds(19)
    Self.expect(try Self.calls(channel, 600), [1, 2, 3])
    channel.time = .seconds(22)
    Self.expect(try Self.calls(channel, 600, Self.threefold), [1, 1, 1], "expired")
    channel.time = .seconds(23)
    Self.expect(try Self.calls(channel, 600, Self.threefold), [1, 1, 1], "the blackout period has begun again")
    channel.time = .seconds(26)
    Self.expect(try Self.calls(channel, 600), [1, 2, 3])
  }

  @Test("what it sets the shares by is told with each change and each period: not yet usable, usable, stale")
  func told()
    throws
  {
    let channel = try Self.channel("{\"blackoutPeriod\": \"2s\", \"weightExpirationPeriod\": \"20s\"}")
    func told() throws -> [String] {
      try #require(channel.weights.last).sorted { $0.subchannel < $1.subchannel }.map { "\($0.standing) \($0.weight)" }
    }
    #expect(channel.weights.map(\.count) == [1, 2, 3])
    #expect(try told() == Array(repeating: "notYetUsable 0.0", count: 3))
    var reports = Self.threefold
    reports[2] = nil
    try Self.calls(channel, 300, reports)
    let before = channel.weights.count
    channel.time = .seconds(4)
    #expect(channel.weights.count == before + 4)
    #expect(try told() == ["usable 200.0", "notYetUsable 0.0", "usable 600.0"])
    channel.time = .seconds(22)
    #expect(try told() == ["stale 0.0", "notYetUsable 0.0", "stale 0.0"])
  }

  @Test("a server that has reported nothing gets the mean of the others; with one report only all get the same")
  func missing() throws {
    let some = try Self.channel("{\"blackoutPeriod\": \"0s\"}")
    var reports = Self.threefold
    reports[2] = nil
    try Self.calls(some, 300, reports)
    some.time = .seconds(2)
    Self.expect(try Self.calls(some, 600), [1, 2, 3])
    let one = try Self.channel("{\"blackoutPeriod\": \"0s\"}")
    try Self.calls(one, 300, [3: Self.threefold[3]!])
    one.time = .seconds(2)
    Self.expect(try Self.calls(one, 600), [1, 1, 1])
  }

  @Test("the resolver's weights hold until two servers have reported") func resolverWeights() throws {
    let channel = try Self.channel("{\"blackoutPeriod\": \"1s\"}", weights: [3, 2, 1])
    Self.expect(try Self.calls(channel, 600, Self.threefold), [3, 2, 1])
    channel.time = .seconds(3)
    Self.expect(try Self.calls(channel, 600), [1, 2, 3])
  }

  @Test("errors make a server seem busier: penalty times their share") func penalty() throws {
    let failing = [
      1: Self.report(rate: 100, utilization: 0.5, errors: 50), 2: Self.report(rate: 100, utilization: 0.5),
      3: Self.report(rate: 100, utilization: 0.5),
    ]
    for (penalty, parts) in [("", [1, 2, 2]), (", \"errorUtilizationPenalty\": 0", [1, 1, 1])] {
      let channel = try Self.channel("{\"blackoutPeriod\": \"0s\"\(penalty)}")
      try Self.calls(channel, 300, failing)
      channel.time = .seconds(2)
      Self.expect(try Self.calls(channel, 600), parts, penalty)
    }
  }

  @Test(
    "the application's utilization comes first, then the greatest of the metrics that are named, then the processors'")
  func metrics() throws {
    let names = "\"metricNamesForComputingUtilization\": [\"named_metrics.queue\", \"mem_utilization\", \"no.such\"]"
    let channel = try Self.channel("{\"blackoutPeriod\": \"0s\", \(names)}")
    let reports = [
      // 100/0.25, 100/0.5, 100/1: 4 to 2 to 1.
      1: Self.report(rate: 100, utilization: 1, application: 0.25, named: ["queue": 1]),
      2: Self.report(rate: 100, utilization: 1, memory: 0.2, named: ["queue": 0.5]),
      3: Self.report(rate: 100, utilization: 1, named: ["queue": -4]),
    ]
    try Self.calls(channel, 300, reports)
    channel.time = .seconds(2)
    Self.expect(try Self.calls(channel, 700), [4, 2, 1])
  }

  @Test(
    "reports without a rate or a utilization, with none or nonsense, change nothing",
    arguments: [
      LoadReport(), report(rate: 100), report(rate: 0, utilization: 1), report(rate: .nan, utilization: 1),
      report(rate: -5, utilization: 1), report(rate: 100, utilization: .infinity),
    ])
  func nonsense(_ report: LoadReport) throws {
    let channel = try Self.channel("{\"blackoutPeriod\": \"0s\"}")
    try Self.calls(channel, 300, Self.threefold)
    channel.time = .seconds(2)
    try Self.calls(channel, 300, [1: report, 2: report, 3: report])
    channel.time = .seconds(4)
    Self.expect(try Self.calls(channel, 600), [1, 2, 3])
  }

  @Test("huge reports leave the others their share of what can be told apart") func huge() throws {
    let channel = try Self.channel("{\"blackoutPeriod\": \"0s\"}")
    let most = Self.report(rate: .greatestFiniteMagnitude, utilization: .leastNonzeroMagnitude)
    try Self.calls(
      channel, 300, [1: Self.report(rate: 1, utilization: 0.5), 2: Self.report(rate: 1e300, utilization: 1), 3: most])
    channel.time = .seconds(2)
    let counts = try Self.calls(channel, 600)
    #expect(counts.values.reduce(0, +) == 600 && (counts[2] ?? 0) > 0, "\(counts)")
  }

  @Test("a server that reconnects waits out the blackout period again") func reconnected() throws {
    let channel = try Self.channel("{\"blackoutPeriod\": \"5s\"}")
    try Self.calls(channel, 300, Self.threefold)
    channel.time = .seconds(7)
    Self.expect(try Self.calls(channel, 600, Self.threefold), [1, 2, 3])
    for state in [ConnectivityState.idle, .ready] { channel.change(channel.id(3), state) }
    // Server 3 gets the mean of the other two until then: 1.5.
    channel.time = .seconds(9)
    Self.expect(try Self.calls(channel, 900, Self.threefold), [2, 4, 3])
    channel.time = .seconds(16)
    Self.expect(try Self.calls(channel, 600), [1, 2, 3])
  }

  @Test("with reports that come by themselves each server is watched, and calls' reports are not read") func outOfBand()
    throws
  {
    let channel = try Self.channel(
      "{\"enableOobLoadReport\": true, \"oobReportingPeriod\": \"3s\", \"blackoutPeriod\": \"0s\"}")
    #expect(channel.loadWatches.count == 3 && channel.loadWatches.allSatisfy { $0.interval == .seconds(3) })
    guard case .pick = channel.pick() else {
      Issue.record("a pick that hears of its end costs more")
      return
    }
    for watch in channel.loadWatches {
      guard case .tcp(_, let port)? = channel.subchannels[watch.subchannel]?.endpoint.addresses.first else { continue }
      watch.heard(Self.threefold[port]!)
    }
    channel.time = .seconds(2)
    Self.expect(try Self.calls(channel, 600), [1, 2, 3])
    let one = channel.id(1)
    channel.update([2, 3])
    #expect(channel.loadWatches.count == 2 && !channel.loadWatches.contains { $0.subchannel == one })
  }

  @Test("a picker is published only where weights have changed, and waits for nothing while none is ready")
  func published()
    throws
  {
    let channel = try Self.channel("{\"blackoutPeriod\": \"0s\"}")
    let first = channel.picker as AnyObject
    channel.time = .seconds(30)
    #expect(channel.picker as AnyObject === first)
    for port in 1...3 { channel.change(channel.id(port), .transientFailure) }
    channel.time = .seconds(60)
    #expect(channel.timers.isEmpty && channel.state == .transientFailure)
    channel.change(channel.id(1), .ready)
    #expect(channel.timers.count == 1 && channel.pick().subchannel?.id == channel.id(1))
  }

  @Test(
    "the configuration is refused where it makes no sense",
    arguments: [
      ("{\"errorUtilizationPenalty\": -1}", "errorUtilizationPenalty"), ("{\"blackoutPeriod\": 3}", "blackoutPeriod"),
      ("{\"weightUpdatePeriod\": \"-1s\"}", "weightUpdatePeriod"),
      ("{\"enableOobLoadReport\": 1}", "enableOobLoadReport"),
      ("{\"metricNamesForComputingUtilization\": \"x\"}", "metricNamesForComputingUtilization"),
      ("{\"metricNamesForComputingUtilization\": [1]}", "metricNamesForComputingUtilization"),
    ])
  func refused(_ json: String, _ member: String) throws {
    let configuration = try JSONValue(parsing: json)
    let error = #expect(throws: PolicyConfigurationError.self) {
      try FakeChannel("weighted_round_robin", configuration: configuration)
    }
    #expect(error?.description.contains(member) == true)
  }

  @Test("weights are taken anew each update period, of which 100 ms is the least") func period() throws {
    let channel = try Self.channel("{\"blackoutPeriod\": \"0s\", \"weightUpdatePeriod\": \"0.001s\"}")
    try Self.calls(channel, 300, Self.threefold)
    channel.time = .milliseconds(99)
    Self.expect(try Self.calls(channel, 600), [1, 1, 1])
    channel.time = .milliseconds(101)
    Self.expect(try Self.calls(channel, 600), [1, 2, 3])
  }
}
