import Synchronization
import TestSupport
import Testing
import Volery

@Suite("Client-side health checks (gRFC A17)", .timeLimit(.minutes(1))) struct HealthCheckTests {
  static let timely = CallOptions(timeout: .seconds(20))
  static let required = "{\"healthCheckConfig\": {\"serviceName\": \"demo\"}}"

  /// Servers on sockets of their own, each with a health service or without one.
  struct Stage {
    let servers: [Server]
    let health: [Health?]
    let addresses: [SocketAddress]
    let channel: Channel

    init(_ health: [Health?], config: String = "{}", policy: String? = nil) throws {
      self.health = health
      servers = health.map { health in
        let services: [any Service] = [RawEcho()]
        return Server(services: services + (health.map { [$0] as [any Service] } ?? []))
      }
      addresses = try servers.map { try $0.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0] }
      var options = ChannelOptions()
      options.serviceConfig = try ServiceConfig(json: config)
      if let policy { options.loadBalancingPolicy = policy }
      let list = addresses.map { "\($0)" }.joined(separator: ",")
      channel = try Channel("static:///\(list)", options: options)
    }

    func shutDown() { for server in servers { server.shutDown() } }

    func call(_ options: CallOptions = HealthCheckTests.timely) async throws -> SocketAddress? {
      try await channel.unary(RawEcho.unary, [1], options: options).peer?.address
    }

    /// The servers that answer the next calls.
    func used() async throws -> Set<SocketAddress> {
      var used: Set<SocketAddress> = []
      for _ in 0..<12 { if let address = try await call() { used.insert(address) } }
      return used
    }

    /// Calls until those that answer are these.
    func waitUntilUsed(_ wanted: [Int]) async throws {
      let wanted = Set(wanted.map { addresses[$0] })
      try await eventually("calls go to \(wanted)") { try await used() == wanted }
    }
  }

  @Test("without a configuration, a server that wants no calls gets none while another one is there")
  func advice() async throws {
    let stage = try Stage([Health(), Health(), nil])
    defer { stage.shutDown() }
    try await stage.waitUntilUsed([0, 1, 2])
    stage.health[0]?.set(.notServing)
    try await stage.waitUntilUsed([1, 2])
    stage.health[0]?.set(.serving)
    try await stage.waitUntilUsed([0, 1, 2])
  }

  @Test("without a configuration, calls never go to nowhere: servers that all want none are used")
  func adviceOfAll() async throws {
    let stage = try Stage([Health(), Health()])
    defer { stage.shutDown() }
    stage.health[0]?.set(.notServing)
    try await stage.waitUntilUsed([1])
    stage.health[1]?.set(.notServing)
    try await stage.waitUntilUsed([0, 1])
    stage.health[1]?.set(.serving)
    try await stage.waitUntilUsed([1])
  }

  @Test(
    "with a configured service, servers get calls only while they say that they serve it",
    arguments: [
      "rr_least_request", "outlier_detection",
    ])
  func required(_ policy: String) async throws {
    let stage = try Stage([Health(services: ["demo"]), Health()], config: Self.required, policy: policy)
    defer { stage.shutDown() }
    #expect(try await stage.used() == [stage.addresses[0]], "the other one does not know the service")
    stage.health[1]?.set(.serving, for: "demo")
    try await stage.waitUntilUsed([0, 1])
    stage.health[0]?.set(.notServing, for: "demo")
    try await stage.waitUntilUsed([1])
    stage.health[1]?.set(.notServing, for: "demo")
    while true {
      do { _ = try await stage.call() } catch {
        let error = try #require(error as? StatusError)
        #expect(error.code == .unavailable)
        #expect(error.message.contains("health check says NOT_SERVING for \"demo\""))
        break
      }
    }
    stage.health[1]?.set(.serving, for: "demo")
    #expect(
      try await stage.call(CallOptions(timeout: .seconds(20), waitForReady: true)) == stage.addresses[1])
  }

  @Test("with a configured service, a server without the health service is taken for healthy")
  func unimplemented() async throws {
    let stage = try Stage([nil], config: Self.required)
    defer { stage.shutDown() }
    #expect(try await stage.call() == stage.addresses[0])
  }

  /// Its watches fail, all but those from a certain one on, which say SERVING.
  final class Failing: Service, Sendable {
    private let watches = Mutex(0)
    private let failures: Int

    init(failures: Int) { self.failures = failures }

    static let watch = Method<[UInt8], [UInt8]>(service: "grpc.health.v1.Health", name: "Watch", kind: .serverStreaming)

    var handlers: [MethodHandler] {
      [
        .serverStreaming(Failing.watch) { [self] _, responses, _ in
          let number = watches.withLock { watches in
            watches += 1
            return watches
          }
          guard number > failures else { throw StatusError(.internal, "not yet") }
          try await responses.write([8, 1])
          // Open until the client or the server ends it.
          for await _ in AsyncStream<Never>.makeStream().stream {}
        }
      ]
    }
  }

  @Test("a watch that fails is opened again after the channel's backoff") func backoff() async throws {
    // By the default backoff the tenth pause alone would be a minute.
    let server = Server(services: [RawEcho(), Failing(failures: 10)])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    var options = ChannelOptions()
    options.serviceConfig = try ServiceConfig(json: Self.required)
    options.backoff.initial = .milliseconds(2)
    options.backoff.maximum = .milliseconds(2)
    let channel = try Channel("static:///\(address)", options: options)
    var waiting = Self.timely
    waiting.waitForReady = true
    #expect(try await channel.unary(RawEcho.unary, [1], options: waiting).peer?.address == address)
  }

  @Test("pick_first never asks") func pickFirst() async throws {
    let stage = try Stage([Health()], config: Self.required, policy: "pick_first")
    defer { stage.shutDown() }
    #expect(try await stage.call() == stage.addresses[0])
  }

  @Test("a list of more than 100 services is refused, 100 are told") func list() async throws {
    let health = Health(services: (0..<99).map { "service\($0)" })
    let stage = try Stage([health])
    defer { stage.shutDown() }
    let client = HealthClient(stage.channel)
    #expect(try await client.list(HealthListRequest(), options: Self.timely).statuses.count == 100)
    health.set(.serving, for: "one more")
    let error = await #expect(throws: StatusError.self) {
      try await client.list(HealthListRequest(), options: Self.timely)
    }
    #expect(error?.code == .resourceExhausted)
  }

  @Test("draining a server ends the watches that its clients have on it") func drain() async throws {
    let stage = try Stage([Health(), Health()])
    defer { stage.shutDown() }
    // That both are heard means that both are watched.
    for (health, others) in [(stage.health[0], [1]), (stage.health[1], [0])] {
      try await stage.waitUntilUsed([0, 1])
      health?.set(.notServing)
      try await stage.waitUntilUsed(others)
      health?.set(.serving)
    }
    try await stage.waitUntilUsed([0, 1])
    let started = ContinuousClock.now
    await stage.servers[0].drain()
    #expect(started.duration(to: .now) < .seconds(5))
    try await stage.waitUntilUsed([1])
  }

  @Test("a watch on a server that is drained hears NOT_SERVING, then ends") func watchAtDrain() async throws {
    let stage = try Stage([Health()])
    defer { stage.shutDown() }
    let watch = HealthClient(stage.channel).watch(HealthCheckRequest(), options: Self.timely)
    var statuses = watch.makeAsyncIterator()
    #expect(try await statuses.next()?.status == .serving)
    let drained = Task { await stage.servers[0].drain() }
    #expect(try await statuses.next()?.status == .notServing)
    #expect(try await statuses.next() == nil)
    await drained.value
  }
}
