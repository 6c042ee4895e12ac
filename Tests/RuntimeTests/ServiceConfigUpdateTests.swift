import TestSupport
import Testing
import Volery

/// gRFC A21: what a resolver's service config does to a channel that has one, has none, or had one.
@Suite("Service configs of a resolver", .timeLimit(.minutes(1))) struct ServiceConfigUpdateTests {
  /// Two servers, a resolver that leads to one of them, and a channel.
  private struct Setup {
    private let servers = [Server(services: [RawEcho()]), Server(services: [RawEcho()])]
    private let addresses: [SocketAddress]
    let resolver = ManualResolver(scheme: "registry")
    let channel: Channel

    init(_ config: ServiceConfig = ServiceConfig(), log: LogRecorder? = nil) throws {
      addresses = try servers.map { try $0.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0] }
      var options = ChannelOptions()
      options.serviceConfig = config
      options.resolvers.register(resolver)
      if let log { options.logger = log.logger }
      channel = try Channel("registry:///orders", options: options)
    }

    func shutDown() { for server in servers { server.shutDown() } }

    func publish(_ json: String?, server: Int = 0) {
      resolver.publish(.resolved(Resolution(endpoints: [Endpoint(addresses[server])], serviceConfigJSON: json)))
    }

    /// The same with the other server than before, and calls until that one answers: the channel has taken it then.
    func publishAndWait(_ json: String?, server: Int) async throws {
      publish(json, server: server)
      try await eventually("server \(server) is called") {
        try await channel.unary(RawEcho.unary, [1], options: CallOptions(timeout: .seconds(10))).peer?.address
          == addresses[server]
      }
    }

    /// A call that never ends has the deadline of the config, not its own.
    func expectImpatience() async {
      let started = ContinuousClock.now
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(RawEcho.hang, [1], options: CallOptions(timeout: .seconds(40)))
      }
      #expect(error?.code == .deadlineExceeded)
      #expect(started.duration(to: .now) < .seconds(20))
    }

    /// Calls until a call is answered: what was published takes a moment.
    func waitUntilAnswered() async throws {
      try await eventually("a call is answered") {
        do throws(StatusError) {
          _ = try await channel.unary(RawEcho.unary, [1], options: CallOptions(timeout: .seconds(10)))
          return true
        } catch {
          guard error.code == .unavailable else { throw error }
          return false
        }
      }
    }

    /// Every one of some calls is answered.
    func expectAnswers() async throws {
      for _ in 0..<20 { _ = try await channel.unary(RawEcho.unary, [1], options: CallOptions(timeout: .seconds(10))) }
    }
  }

  private static let impatient =
    #"{"methodConfig":[{"name":[{"service":"test.Raw","method":"Hang"}],"timeout":"0.05s"}]}"#
  private static let bad = [
    "{", "[]", #"{"loadBalancingConfig":[{"nobody_knows":{}}]}"#, #"{"methodConfig":[{"name":7}]}"#,
  ]

  @Test("a bad one at the start fails calls, until there is a good one, or none", arguments: bad)
  func badAtFirst(_ json: String) async throws {
    let setup = try Setup()
    defer { setup.shutDown() }
    setup.publish(json)
    let error = await #expect(throws: StatusError.self) {
      try await setup.channel.unary(RawEcho.unary, [1], options: CallOptions(timeout: .seconds(10)))
    }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("service config is refused") == true)
    setup.publish(nil)
    try await setup.waitUntilAnswered()
  }

  @Test("a bad one later changes nothing, whether there was a good one or none", arguments: bad)
  func badLater(_ json: String) async throws {
    let setup = try Setup()
    defer { setup.shutDown() }
    setup.publish(nil)
    try await setup.waitUntilAnswered()
    // What comes with it is taken, which shows that it has come.
    try await setup.publishAndWait(json, server: 1)
    try await setup.expectAnswers()
    try await setup.publishAndWait(Self.impatient, server: 0)
    await setup.expectImpatience()
    try await setup.publishAndWait(json, server: 1)
    try await setup.expectAnswers()
    await setup.expectImpatience()
  }

  @Test("a bad one at the start leaves the program's own in force", arguments: bad)
  func programsOwn(_ json: String) async throws {
    let setup = try Setup(try ServiceConfig(json: Self.impatient))
    defer { setup.shutDown() }
    setup.publish(json)
    try await setup.expectAnswers()
    await setup.expectImpatience()
  }

  @Test("a bad one is logged once in a row, and anew after a good one", arguments: bad)
  func logged(_ json: String) async throws {
    let log = LogRecorder()
    let setup = try Setup(log: log)
    defer { setup.shutDown() }
    setup.publish(nil)
    try await setup.waitUntilAnswered()
    let text = "the resolver's service config is refused"
    try await setup.publishAndWait(json, server: 1)
    try await setup.publishAndWait(json, server: 0)
    #expect(log.lines.count { $0.contains(text) } == 1)
    try await setup.publishAndWait(Self.impatient, server: 1)
    #expect(log.lines.count { $0.contains("the resolver's service config can be used again") } == 1)
    try await setup.publishAndWait(json, server: 0)
    #expect(log.lines.count { $0.contains(text) } == 2)
  }
}
