import Synchronization
import TestSupport
import Testing
import Volery

/// A resolver that takes its time: what its first answer says holds for the calls that have waited for it.
@Suite("Calls that are made before the resolver has answered", .timeLimit(.minutes(1))) struct EarlyCallTests {
  /// Fails its first calls, or never answers them; then it answers.
  final class Moody: Service {
    static let call = Method<[UInt8], [UInt8]>(service: "test.Moody", name: "Call", kind: .unary)
    private let count = Mutex(0)
    private let failures: Int
    private let hangs: Int

    init(failures: Int = 0, hangs: Int = 0) {
      self.failures = failures
      self.hangs = hangs
    }

    var handlers: [MethodHandler] {
      [
        .unary(Moody.call) { [self] request, _ in
          let number = count.withLock { count in
            count += 1
            return count
          }
          if number <= hangs { await untilCancelled() }
          if number <= failures { throw StatusError(.unavailable, "not in the mood") }
          return request
        }
      ]
    }
  }

  struct PassingOn: ClientInterceptor {
    func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws { try await next() }
  }

  struct Stuck: ClientInterceptor {
    func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
      do { try await next() } catch { await untilCancelled() }
    }
  }

  final class Selecting: ConfigSelector {
    private let config: MethodConfig
    init(_ config: MethodConfig) { self.config = config }
    func configuration(of call: ConfigSelectorRequest) throws(StatusError) -> CallConfiguration {
      CallConfiguration(methodConfig: config)
    }
  }

  private struct Stage {
    private let server: Server
    let endpoint: Endpoint
    let resolver = ManualResolver(scheme: "slow")
    let channel: Channel

    init(_ service: Moody = Moody(), _ change: (inout ChannelOptions) throws -> Void = { _ in }) throws {
      server = Server(services: [RawEcho(), service])
      endpoint = Endpoint(try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0])
      var options = ChannelOptions()
      options.resolvers.register(resolver)
      try change(&options)
      channel = try Channel("slow:///orders", options: options)
    }

    func shutDown() { server.shutDown() }

    /// Makes a call, and lets the resolver answer once that has woken the channel.
    func call(
      _ method: Method<[UInt8], [UInt8]>, _ request: [UInt8] = [1],
      _ options: CallOptions = CallOptions(timeout: .seconds(40)), answer: ResolverUpdate
    ) async throws -> [UInt8] {
      let call = Task { try await channel.unary(method, request, options: options).message }
      try await eventually("the channel has woken") { channel.state == .connecting }
      resolver.publish(answer)
      return try await call.value
    }

    func answer(_ config: String, _ endpoint: Endpoint? = nil) -> ResolverUpdate {
      .resolved(Resolution(endpoints: [endpoint ?? self.endpoint], serviceConfigJSON: config))
    }

    /// A call that is never answered ends long before its own deadline.
    func expectImpatience(answer: ResolverUpdate, waitForReady: Bool? = nil) async {
      let started = ContinuousClock.now
      let options = CallOptions(timeout: .seconds(40), waitForReady: waitForReady)
      let error = await #expect(throws: StatusError.self) { try await call(RawEcho.hang, [1], options, answer: answer) }
      #expect(error?.code == .deadlineExceeded, "\(String(describing: error))")
      #expect(started.duration(to: .now) < .seconds(20))
    }
  }

  private static let impatient = #"{"methodConfig":[{"name":[{}],"timeout":"0.1s"}]}"#

  @Test("have its timeout, with interceptors too", arguments: [false, true]) func timeout(_ isIntercepted: Bool)
    async throws
  {
    let stage = try Stage { if isIntercepted { $0.interceptors = [PassingOn()] } }
    defer { stage.shutDown() }
    await stage.expectImpatience(answer: stage.answer(Self.impatient))
  }

  @Test("have its timeout while there is no server for them yet") func timeoutWithoutServer() async throws {
    let stage = try Stage { $0.loadBalancingPolicies.register(BadPolicyTests.BadPolicy(fault: .silent)) }
    defer { stage.shutDown() }
    let silent = #"{"loadBalancingConfig":[{"bad":{}}],"methodConfig":[{"name":[{}],"timeout":"0.1s"}]}"#
    await stage.expectImpatience(answer: stage.answer(silent))
  }

  @Test("have the timeout of a config selector") func selector() async throws {
    let stage = try Stage()
    defer { stage.shutDown() }
    var config = MethodConfig()
    config.timeout = .milliseconds(100)
    var resolution = Resolution(endpoints: [stage.endpoint])
    resolution.attributes.configSelector = Selecting(config)
    await stage.expectImpatience(answer: .resolved(resolution))
  }

  @Test("have its timeout when they stream") func streams() async throws {
    let stage = try Stage()
    defer { stage.shutDown() }
    let call = stage.channel.bidirectional(RawEcho.chat, options: CallOptions(timeout: .seconds(40)))
    try await eventually("the channel has woken") { stage.channel.state == .connecting }
    stage.resolver.publish(stage.answer(Self.impatient))
    let started = ContinuousClock.now
    let error = await #expect(throws: StatusError.self) { for try await _ in call {} }
    #expect(error?.code == .deadlineExceeded)
    #expect(started.duration(to: .now) < .seconds(20))
  }

  @Test("are retried as it says") func retries() async throws {
    let stage = try Stage(Moody(failures: 2))
    defer { stage.shutDown() }
    let config = """
      {"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":3,"initialBackoff":"0.01s","maxBackoff":"0.1s",\
      "backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}
      """
    #expect(try await stage.call(Moody.call, [7], answer: stage.answer(config)) == [7])
  }

  @Test("are hedged as it says") func hedging() async throws {
    let stage = try Stage(Moody(hangs: 1))
    defer { stage.shutDown() }
    let config = #"{"methodConfig":[{"name":[{}],"hedgingPolicy":{"maxAttempts":2,"hedgingDelay":"0.02s"}}]}"#
    #expect(try await stage.call(Moody.call, [7], answer: stage.answer(config)) == [7])
  }

  @Test("keep to its limits", arguments: ["maxRequestMessageBytes", "maxResponseMessageBytes"])
  func limits(_ limit: String) async throws {
    let stage = try Stage()
    defer { stage.shutDown() }
    let answer = stage.answer("{\"methodConfig\":[{\"name\":[{}],\"\(limit)\":10}]}")
    let error = await #expect(throws: StatusError.self) {
      try await stage.call(RawEcho.unary, [UInt8](repeating: 1, count: 100), answer: answer)
    }
    #expect(error?.code == .resourceExhausted)
  }

  @Test("wait for a server as it says") func waitForReady() async throws {
    let stage = try Stage()
    defer { stage.shutDown() }
    let config = #"{"methodConfig":[{"name":[{}],"waitForReady":true,"timeout":"0.5s"}]}"#
    // Nobody listens there.
    await stage.expectImpatience(answer: stage.answer(config, Endpoint(.unix("/nowhere/at/all"))))
  }

  @Test("go by the program's own configuration where the answer has none, and only then") func programsOwn()
    async throws
  {
    let stage = try Stage { $0.serviceConfig = try ServiceConfig(json: Self.impatient) }
    defer { stage.shutDown() }
    let started = ContinuousClock.now
    let error = await #expect(throws: StatusError.self) {
      try await stage.call(RawEcho.hang, [1], CallOptions(timeout: .seconds(1)), answer: stage.answer("{}"))
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(started.duration(to: .now) > .milliseconds(900), "the call's own deadline")
    let other = try Stage { $0.serviceConfig = try ServiceConfig(json: Self.impatient) }
    defer { other.shutDown() }
    await other.expectImpatience(answer: .resolved(Resolution(endpoints: [other.endpoint])))
  }

  @Test("go by the program's own configuration when the resolver fails") func failure() async throws {
    let stage = try Stage { $0.serviceConfig = try ServiceConfig(json: Self.impatient) }
    defer { stage.shutDown() }
    await stage.expectImpatience(answer: .failed(StatusError(.unavailable, "no answer")), waitForReady: true)
  }

  @Test("go by the answer that follows a failure") func failureAndAnswer() async throws {
    let patient = #"{"methodConfig":[{"name":[{}],"waitForReady":true,"timeout":"39s"}]}"#
    let stage = try Stage { $0.serviceConfig = try ServiceConfig(json: patient) }
    defer { stage.shutDown() }
    let started = ContinuousClock.now
    let call = Task { try await stage.channel.unary(RawEcho.hang, [1]) }
    try await eventually("the channel has woken") { stage.channel.state == .connecting }
    stage.resolver.publish(.failed(StatusError(.unavailable, "no answer")))
    try await eventually("the channel has no server") { stage.channel.state == .transientFailure }
    stage.resolver.publish(stage.answer(Self.impatient))
    let error = await #expect(throws: StatusError.self) { try await call.value }
    #expect(error?.code == .deadlineExceeded)
    #expect(started.duration(to: .now) < .seconds(20))
  }

  @Test("have its timeout although an interceptor does not come to an end") func stuckInterceptor() async throws {
    let stage = try Stage { $0.interceptors = [Stuck()] }
    defer { stage.shutDown() }
    let error = await #expect(throws: StatusError.self) {
      try await stage.call(RawEcho.hang, [1], CallOptions(), answer: stage.answer(Self.impatient))
    }
    #expect(error?.code == .deadlineExceeded)
  }

  @Test("or after a rest: what was known before does not count") func afterRest() async throws {
    let stage = try Stage()
    defer { stage.shutDown() }
    #expect(try await stage.call(RawEcho.unary, answer: stage.answer("{}")) == [1])
    stage.channel.enterIdle()
    try await eventually("it rests") { stage.channel.state == .idle }
    stage.resolver.publish(stage.answer(Self.impatient))
    let started = ContinuousClock.now
    let error = await #expect(throws: StatusError.self) {
      try await stage.channel.unary(RawEcho.hang, [1], options: CallOptions(timeout: .seconds(40)))
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(started.duration(to: .now) < .seconds(20))
  }
}
