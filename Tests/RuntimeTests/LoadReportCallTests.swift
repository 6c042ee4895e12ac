import Synchronization
import TestSupport
import Testing
import Volery

/// What a client's policy hears of servers' load (gRFC A51), over real connections.
@Suite("Load reports with calls and by themselves", .timeLimit(.minutes(1))) struct LoadReportCallTests {
  private static let limit = CallOptions(timeout: .seconds(20))

  /// Its handler says what the request's metadata has: `cpu`, `rows`, and `own`, a trailer of its own.
  struct Costly: Service {
    static let call = Method<[UInt8], [UInt8]>(service: "test.Costly", name: "Call", kind: .unary)
    var handlers: [MethodHandler] {
      [
        .unary(Costly.call) { request, context in
          if let cpu = context.metadata["cpu"].flatMap(Double.init) { context.loadReport.cpuUtilization = cpu }
          if let rows = context.metadata["rows"].flatMap(Double.init) { context.loadReport.requestCost["rows"] = rows }
          if let own = context.metadata["own"].flatMap(UInt8.init) {
            context.trailingMetadata[binary: "endpoint-load-metrics-bin"] = [own]
          }
          if context.metadata["fail"] != nil { throw StatusError(.notFound, "asked") }
          return request
        }
      ]
    }
  }

  private static func report(_ change: (inout LoadReport) -> Void) -> LoadReport {
    var report = LoadReport()
    change(&report)
    return report
  }

  // MARK: With calls

  @Test(
    "a call's report is what its handler says over what the process says, by every transport", arguments: Way.allCases)
  func calls(_ way: Way) async throws {
    var options = ServerOptions()
    let load = LoadRecorder()
    options.loadRecorder = load
    let server = Server(services: [Costly()], options: options)
    let address = try server.start(listeningOn: way.listenAddress())[0]
    defer { server.shutDown() }
    let channel = try Channel(address.target)
    func call(_ metadata: Metadata) async throws -> LoadReport? {
      var options = Self.limit
      options.metadata = metadata
      return try await channel.unary(Costly.call, [1], options: options).trailingMetadata.loadReport
    }
    #expect(try await call([:]) == nil, "nobody has said anything")
    #expect(try await call(["rows": "7"]) == Self.report { $0.requestCost = ["rows": 7] })
    load.update { report in
      report.cpuUtilization = 0.5
      report.queriesPerSecond = 100
      report.requestCost = ["never": 1]
    }
    for _ in 0..<2 {
      let wanted = Self.report { report in
        report.cpuUtilization = 0.5
        report.queriesPerSecond = 100
      }
      #expect(try await call([:]) == wanted)
    }
    let wanted = Self.report { report in
      report.cpuUtilization = 0.25
      report.queriesPerSecond = 100
      report.requestCost = ["rows": 7]
    }
    #expect(try await call(["cpu": "0.25", "rows": "7"]) == wanted)
    load.report = LoadReport()
    #expect(try await call([:]) == nil)
    var asked = Self.limit
    asked.metadata = ["fail": "1", "cpu": "0.75"]
    let error = await #expect(throws: StatusError.self) { try await channel.unary(Costly.call, [1], options: asked) }
    #expect(error?.code == .notFound && error?.metadata.loadReport?.cpuUtilization == 0.75)
  }

  @Test("a trailer that the handler has written itself stays alone") func ownTrailer() async throws {
    var options = ServerOptions()
    options.loadRecorder = LoadRecorder(Self.report { $0.cpuUtilization = 0.5 })
    let server = Server(services: [Costly()], options: options)
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    var asked = Self.limit
    asked.metadata = ["own": "9"]
    let trailers = try await Channel(address.target).unary(Costly.call, [1], options: asked).trailingMetadata
    #expect(trailers.binaryValues("endpoint-load-metrics-bin") == [[9]] && trailers.loadReport == nil)
  }

  @Test("without a recorder no call sends a report, whatever its handler says") func off() async throws {
    let server = Server(services: [Costly()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    var asked = Self.limit
    asked.metadata = ["cpu": "0.25"]
    let response = try await Channel(address.target).unary(Costly.call, [1], options: asked)
    #expect(response.trailingMetadata.binaryValues("endpoint-load-metrics-bin").isEmpty)
  }

  @Test("a report of 2,000 metrics does not cost a client its call") func large() async throws {
    var options = ServerOptions()
    options.loadRecorder = LoadRecorder(
      Self.report { report in for number in 0..<2000 { report.namedMetrics["metric-\(number)"] = 1 } })
    let server = Server(services: [Costly()], options: options)
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let response = try await Channel(address.target).unary(Costly.call, [1], options: Self.limit)
    #expect((response.trailingMetadata.loadReport?.namedMetrics.count ?? 0) > 100)
  }

  @Test("the messages are those that protobuf reads and writes") func messages() throws {
    let report = Self.report { report in
      report.cpuUtilization = 1.5
      report.memoryUtilization = 0.5
      report.applicationUtilization = 2
      report.queriesPerSecond = 17
      report.errorsPerSecond = 3
      report.utilization = ["disk": 0.75]
      report.requestCost = ["rows": 3487]
      report.namedMetrics = ["queue": 12, "x": -1]
    }
    let message = try WireOrcaLoadReport(wireArray: report.protobuf())
    #expect(message.cpuUtilization == 1.5 && message.memUtilization == 0.5 && message.applicationUtilization == 2)
    #expect(message.rpsFractional == 17 && message.eps == 3)
    #expect(message.utilization == ["disk": 0.75] && message.requestCost == ["rows": 3487])
    #expect(message.namedMetrics == ["queue": 12, "x": -1])
    #expect(LoadReport(protobuf: try message.encoded()) == report)
  }

  // MARK: By themselves

  /// Wraps `round_robin`, and watches every server's load.
  struct Watching: LoadBalancingPolicyFactory {
    let name = "watching"
    let heard: Heard
    var interval = Duration.milliseconds(5)

    func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
      let list = try JSONValue(parsing: "[{\"round_robin\": {}}]")
      return Policy(
        child: ChildPolicy(try context.registry.makeChild(list, of: name, context: context), name: "rr"), self)
    }

    struct Policy: LoadBalancingPolicy {
      var child: ChildPolicy
      let factory: Watching
      var watches: [Int: [LoadWatch]] = [:]

      init(child: ChildPolicy, _ factory: Watching) {
        self.child = child
        self.factory = factory
      }

      mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
        let isUsable = child.update(endpoints, &effects)
        for id in child.subchannels.keys where watches[id] == nil {
          let heard = factory.heard
          // Two watch the same server; the shorter interval counts.
          watches[id] = [
            effects.watchLoad(of: id, every: factory.interval) { heard.note($0, by: 0) },
            effects.watchLoad(of: id, every: .seconds(3600)) { heard.note($0, by: 1) },
          ]
        }
        child.passOn(&effects)
        heardOfEnd(&effects)
        return isUsable
      }

      /// The word of the test.
      private mutating func heardOfEnd(_ effects: inout PolicyEffects) {
        guard factory.heard.shallEnd else { return }
        for watch in watches.values.joined() where !factory.heard.keepsLong || watch.interval < .seconds(60) {
          effects.endLoadWatch(watch)
        }
      }

      mutating func subchannelChanged(
        _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
      ) {
        child.subchannelChanged(id, to: state, error: error, &effects)
        child.passOn(&effects)
        heardOfEnd(&effects)
      }

      mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
        child.resolverFailed(error, &effects)
        child.passOn(&effects)
      }
    }
  }

  final class Heard: Sendable {
    private struct State {
      var reports: [[LoadReport]] = [[], []]
      var shallEnd = false
      var keepsLong = false
    }
    private let state = Mutex(State())
    func note(_ report: LoadReport, by watcher: Int) { state.withLock { $0.reports[watcher].append(report) } }
    func reports(_ watcher: Int = 0) -> [LoadReport] { state.withLock { $0.reports[watcher] } }
    var shallEnd: Bool { state.withLock { $0.shallEnd } }
    var keepsLong: Bool { state.withLock { $0.keepsLong } }
    /// - Parameter keepsLong: Only the watch with the short interval ends.
    func end(keepsLong: Bool = false) {
      state.withLock { state in
        state.shallEnd = true
        state.keepsLong = keepsLong
      }
    }
  }

  /// The service as a test wants it: each stream goes as `conduct` says, and is counted.
  final class Scripted: Service, Sendable {
    private let open = Mutex((now: 0, ever: 0))
    private let intervals = Mutex<[Duration]>([])
    private let conduct: @Sendable (Int, ResponseWriter<WireOrcaLoadReport>) async throws -> Void

    init(_ conduct: @escaping @Sendable (Int, ResponseWriter<WireOrcaLoadReport>) async throws -> Void) {
      self.conduct = conduct
    }

    var streams: Int { open.withLock { $0.ever } }
    var openStreams: Int { open.withLock { $0.now } }
    var wanted: [Duration] { intervals.withLock { $0 } }

    var handlers: [MethodHandler] {
      [
        .serverStreaming(WireOpenRcaServiceMethods.streamCoreMetrics) { [self] request, responses, _ in
          let number = open.withLock { open in
            open.now += 1
            open.ever += 1
            return open.ever
          }
          defer { open.withLock { $0.now -= 1 } }
          intervals.withLock { $0.append(request.reportInterval?.duration ?? .zero) }
          try await conduct(number, responses)
        }
      ]
    }
  }

  /// Until the client, or the test, ends the stream.
  private static func stayOpen() async throws { try await Task.sleep(for: .seconds(60)) }

  private static func channel(_ address: SocketAddress, _ policy: Watching) throws -> Channel {
    try Channel(address.target, options: options(policy))
  }

  private static func options(_ policy: Watching) -> ChannelOptions {
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(policy)
    options.loadBalancingPolicy = policy.name
    options.backoff.initial = .milliseconds(20)
    return options
  }

  @Test(
    "a policy that watches hears the recorder's reports, new ones too, on one stream for all who watch",
    arguments: Way.allCases)
  func watched(_ way: Way) async throws {
    let load = LoadRecorder(Self.report { $0.memoryUtilization = 0.25 })
    let server = Server(services: [RawEcho(), LoadReporting(load, minInterval: .milliseconds(5))])
    let address = try server.start(listeningOn: way.listenAddress())[0]
    defer { server.shutDown() }
    let heard = Heard()
    let channel = try Self.channel(address, Watching(heard: heard))
    _ = try await channel.unary(RawEcho.unary, [1], options: Self.limit)
    try await eventually("reports come, changed or not") { heard.reports().count >= 3 }
    #expect(heard.reports().allSatisfy { $0.memoryUtilization == 0.25 })
    load.update { report in
      report.memoryUtilization = 0.5
      report.requestCost = ["never": 1]
    }
    let wanted = Self.report { $0.memoryUtilization = 0.5 }
    try await eventually("the new one comes") { heard.reports(0).last == wanted && heard.reports(1).last == wanted }
  }

  @Test("the server is asked at the shortest interval of those who watch, and its own is the least") func interval()
    async throws
  {
    let scripted = Scripted { _, responses in
      try await responses.write(WireOrcaLoadReport(cpuUtilization: 0.5))
      try await Self.stayOpen()
    }
    let server = Server(services: [RawEcho(), scripted])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let heard = Heard()
    let channel = try Self.channel(address, Watching(heard: heard, interval: .milliseconds(1500)))
    _ = try await channel.unary(RawEcho.unary, [1], options: Self.limit)
    try await eventually("a report comes") { !heard.reports().isEmpty }
    #expect(scripted.wanted.last == .milliseconds(1500))
    #expect(scripted.openStreams == 1)
  }

  @Test("a stream that ends is opened again, with a failure or without one") func restarted() async throws {
    let scripted = Scripted { number, responses in
      if number == 1 { throw StatusError(.internal, "the first one fails") }
      try await responses.write(WireOrcaLoadReport(cpuUtilization: Double(number)))
      if number == 2 { return }
      try await Self.stayOpen()
    }
    let server = Server(services: [RawEcho(), scripted])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let heard = Heard()
    let channel = try Self.channel(address, Watching(heard: heard))
    _ = try await channel.unary(RawEcho.unary, [1], options: Self.limit)
    try await eventually("the third stream reports") { heard.reports().map(\.cpuUtilization) == [2, 3] }
    #expect(scripted.streams == 3)
  }

  @Test("a server without the service is asked once on each connection, and calls go on") func unimplemented()
    async throws
  {
    let scripted = Scripted { _, _ in throw StatusError(.unimplemented, "not here") }
    let server = Server(services: [RawEcho(), scripted])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let heard = Heard()
    let endpoints = ManualResolver()
    var options = Self.options(Watching(heard: heard))
    options.resolvers.register(endpoints)
    let channel = try Channel("manual:///x", options: options)
    endpoints.publish(.resolved(Resolution(endpoints: [Endpoint(address)])))
    _ = try await channel.unary(RawEcho.unary, [1], options: Self.limit)
    try await eventually("it is asked") { scripted.streams == 1 && scripted.openStreams == 0 }
    // Nor is it when another interval is wanted. It would be asked at once then, and again after 20 ms.
    heard.end(keepsLong: true)
    endpoints.publish(.resolved(Resolution(endpoints: [Endpoint(address)])))
    let end = ContinuousClock.now.advanced(by: .milliseconds(200))
    while ContinuousClock.now < end { _ = try await channel.unary(RawEcho.unary, [1], options: Self.limit) }
    #expect(scripted.streams == 1 && heard.reports().isEmpty)
  }

  @Test("draining the server ends its streams, and a server that comes in its place is watched") func replaced()
    async throws
  {
    let load = LoadRecorder(Self.report { $0.cpuUtilization = 1 })
    let first = Server(services: [RawEcho(), LoadReporting(load, minInterval: .milliseconds(5))])
    let address = try first.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let heard = Heard()
    let channel = try Self.channel(address, Watching(heard: heard))
    _ = try await channel.unary(RawEcho.unary, [1], options: Self.limit)
    try await eventually("the first one reports") { !heard.reports().isEmpty }
    await first.drain()
    guard case .tcp(let host, let port) = address else { return }
    let reporting = LoadReporting(LoadRecorder(Self.report { $0.cpuUtilization = 2 }), minInterval: .milliseconds(5))
    var second: Server?
    defer { second?.shutDown() }
    try await eventually("the port is free") {
      second = Server(services: [RawEcho(), reporting])
      return (try? second?.start(listeningOn: .tcp(host, port))) != nil
    }
    try await eventually("the second one reports") { heard.reports().last?.cpuUtilization == 2 }
  }

  @Test(
    "when nobody watches any more the stream is cancelled; so it is when the channel closes", arguments: [true, false])
  func ended(_ byPolicy: Bool) async throws {
    let scripted = Scripted { number, responses in
      try await responses.write(WireOrcaLoadReport(cpuUtilization: 1))
      try await Self.stayOpen()
    }
    let server = Server(services: [RawEcho(), scripted])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let heard = Heard()
    let endpoints = ManualResolver()
    var options = ChannelOptions()
    let policy = Watching(heard: heard)
    options.loadBalancingPolicies.register(policy)
    options.loadBalancingPolicy = policy.name
    options.resolvers.register(endpoints)
    let channel = try Channel("manual:///x", options: options)
    endpoints.publish(.resolved(Resolution(endpoints: [Endpoint(address)])))
    _ = try await channel.unary(RawEcho.unary, [1], options: Self.limit)
    try await eventually("a report comes") { !heard.reports().isEmpty && scripted.openStreams == 1 }
    if byPolicy {
      heard.end()
      endpoints.publish(.resolved(Resolution(endpoints: [Endpoint(address)])))
    } else {
      channel.close()
    }
    try await eventually("the stream is cancelled") { scripted.openStreams == 0 }
    #expect(scripted.streams == 1)
    withExtendedLifetime(channel) {}
  }

  @Test("streams beyond the limit are refused") func limit() async throws {
    let server = Server(services: [RawEcho(), LoadReporting(LoadRecorder(), maxStreams: 0)])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let channel = try Channel(address.target)
    let call = channel.serverStreaming(
      WireOpenRcaServiceMethods.streamCoreMetrics, WireOrcaLoadReportRequest(), options: Self.limit)
    let error = await #expect(throws: StatusError.self) { for try await _ in call {} }
    #expect(error?.code == .resourceExhausted)
  }
}
