import Testing
import VoleryLoadBalancing
import VoleryTypes

@Suite("Outlier detection (gRFC A50)") struct OutlierDetectionTests {
  /// Five ready servers behind `round_robin`, and the detector's sweeps by a clock that the test sets.
  private func makeChannel(_ members: String, ports: [Int] = [1, 2, 3, 4, 5]) throws -> FakeChannel {
    let json = try JSONValue(parsing: "{\"childPolicy\": [{\"unheard_of\": {}}, {\"round_robin\": {}}], \(members)}")
    let channel = try FakeChannel("outlier_detection", configuration: json)
    channel.update(ports)
    channel.makeReady(ports)
    return channel
  }

  /// Calls to every server; those of `bad` fail with this share.
  private func call(_ channel: FakeChannel, bad: Set<Int>, share: Double = 1, count: Int = 100) {
    for (id, subchannel) in channel.subchannels.sorted(by: { $0.key < $1.key }) {
      guard case .tcp(_, let port)? = subchannel.endpoint.addresses.first else { continue }
      let failures = bad.contains(port) ? Int(Double(count) * share) : 0
      channel.ended(
        (0..<count).map { index in
          CallReport(
            subchannel: id, code: index < failures ? .unavailable : .ok, origin: .peer, duration: .milliseconds(1))
        })
    }
  }

  private func used(_ channel: FakeChannel) -> Set<Int> { Set((0..<50).compactMap { _ in channel.pickPort() }) }

  static let rate = "\"maxEjectionPercent\": 40, \"successRateEjection\": {}"
  static let failures = "\"maxEjectionPercent\": 40, \"failurePercentageEjection\": {\"threshold\": 50}"

  @Test("a server whose calls fail is ejected at the next sweep, and comes back", arguments: [rate, failures])
  func ejection(_ members: String) throws {
    let channel = try makeChannel(members)
    call(channel, bad: [3])
    #expect(used(channel) == [1, 2, 3, 4, 5], "not before the interval is over")
    channel.time = .seconds(10)
    #expect(used(channel) == [1, 2, 4, 5])
    channel.time = .seconds(40)
    #expect(used(channel) == [1, 2, 4, 5], "30 s from the ejection on")
    channel.time = .seconds(50)
    #expect(used(channel) == [1, 2, 3, 4, 5])
  }

  @Test("ejected again, it stays away twice as long") func longer() throws {
    let channel = try makeChannel(Self.failures)
    call(channel, bad: [3])
    channel.time = .seconds(50)
    call(channel, bad: [3])
    channel.time = .seconds(60)
    #expect(used(channel) == [1, 2, 4, 5])
    channel.time = .seconds(120)
    #expect(used(channel) == [1, 2, 4, 5])
    channel.time = .seconds(130)
    #expect(used(channel) == [1, 2, 3, 4, 5])
  }

  @Test("no more than allowed, but one at least", arguments: [(10, 1), (40, 2), (100, 4), (0, 0)])
  func limit(_ percent: Int, _ ejected: Int) throws {
    let channel = try makeChannel(
      "\"maxEjectionPercent\": \(percent), \"failurePercentageEjection\": {\"threshold\": 50}")
    call(channel, bad: [1, 2, 3, 4, 5])
    channel.time = .seconds(10)
    #expect(used(channel).count == 5 - ejected, "the last one stays, whatever is allowed")
  }

  @Test(
    "too few servers, too few calls, or a roll of the dice keep them",
    arguments: [
      "\"failurePercentageEjection\": {\"minimumHosts\": 6}", "\"failurePercentageEjection\": {\"requestVolume\": 101}",
      "\"failurePercentageEjection\": {\"enforcementPercentage\": 0}", "\"successRateEjection\": {\"minimumHosts\": 6}",
      "\"successRateEjection\": {\"requestVolume\": 101}", "\"successRateEjection\": {\"enforcementPercentage\": 0}",
      "\"interval\": \"10s\"",
    ])
  func kept(_ members: String) throws {
    let channel = try makeChannel(members)
    call(channel, bad: [3])
    channel.time = .seconds(10)
    #expect(used(channel) == [1, 2, 3, 4, 5])
  }

  @Test("what is found and not ejected is told with its reason, at each sweep that finds it (gRFC A91)") func spared()
    throws
  {
    for (members, method) in [
      ("\"failurePercentageEjection\": {\"enforcementPercentage\": 0}", OutlierDetectionMethod.failurePercentage),
      ("\"successRateEjection\": {\"enforcementPercentage\": 0}", .successRate),
    ] {
      let channel = try makeChannel(members)
      let expected = FakeChannel.Spared(id: channel.id(3), method: method, reason: .enforcementPercentage)
      for sweep in 1...2 {
        call(channel, bad: [3])
        channel.time = .seconds(10 * sweep)
        #expect(channel.spared == Array(repeating: expected, count: sweep))
      }
      channel.time = .seconds(30)
      #expect(channel.spared.count == 2, "without calls nothing is found")
    }
    // One of five is what 20 % allow.
    let full = try makeChannel("\"maxEjectionPercent\": 20, \"failurePercentageEjection\": {\"threshold\": 50}")
    call(full, bad: [2, 3, 4])
    full.time = .seconds(10)
    #expect(full.spared.count == 2 && used(full).count == 4)
    #expect(full.spared.allSatisfy { $0.method == .failurePercentage && $0.reason == .maxEjectionOverflow })
    let none = try makeChannel("\"maxEjectionPercent\": 0, \"failurePercentageEjection\": {\"threshold\": 50}")
    call(none, bad: [2])
    none.time = .seconds(10)
    #expect(none.spared.map(\.reason) == [.maxEjectionOverflow])
    // Whoever is ejected is not told as spared.
    let ejected = try makeChannel(Self.failures)
    call(ejected, bad: [3])
    ejected.time = .seconds(10)
    #expect(ejected.spared.isEmpty)
  }

  @Test("a new connection does not end the ejection, and neither does a new list") func persistent() throws {
    let channel = try makeChannel(Self.failures)
    call(channel, bad: [3])
    channel.time = .seconds(10)
    channel.change(channel.id(3), .idle)
    channel.change(channel.id(3), .ready)
    #expect(used(channel) == [1, 2, 4, 5])
    channel.update([1, 2, 3, 4, 5, 6])
    channel.makeReady([6])
    #expect(used(channel) == [1, 2, 4, 5, 6])
  }

  @Test("without an algorithm nothing is counted") func off() throws {
    let channel = try makeChannel("\"interval\": \"1s\"")
    #expect(!channel.policy.observesCalls)
  }

  @Test(
    "what makes no sense is refused, and the text says where",
    arguments: [
      ("{\"interval\": \"soon\"}", "interval"), ("{\"interval\": \"0s\"}", "interval"),
      ("{\"maxEjectionPercent\": 101}", "maxEjectionPercent"),
      ("{\"successRateEjection\": {\"enforcementPercentage\": 1000}}", "successRateEjection.enforcementPercentage"),
      ("{\"failurePercentageEjection\": []}", "failurePercentageEjection"), ("{\"childPolicy\": {}}", "childPolicy"),
      ("{\"childPolicy\": [{\"none\": {}}]}", "\"none\""),
      ("{\"childPolicy\": [{\"least_request\": {\"choiceCount\": 1}}]}", "choiceCount"),
    ])
  func refused(_ json: String, _ place: String) throws {
    let error = #expect(throws: PolicyConfigurationError.self) {
      try FakeChannel("outlier_detection", configuration: JSONValue(parsing: json))
    }
    #expect(error?.description.contains(place) == true, "\(String(describing: error))")
  }

  @Test("wrapped in itself, it still works") func nested() throws {
    let channel = try FakeChannel(
      "outlier_detection_experimental",
      configuration: JSONValue(
        parsing: """
          {"childPolicy": [{"outlier_detection": {"childPolicy": [{"rr_least_request": {}}]}}],
           "failurePercentageEjection": {}}
          """))
    channel.update([1, 2, 3, 4, 5])
    channel.makeReady([1, 2, 3, 4, 5])
    call(channel, bad: [3])
    channel.time = .seconds(10)
    #expect(used(channel) == [1, 2, 4, 5])
  }
}
