import Synchronization
import TestSupport
import Testing
import Volery

/// When a call's configuration is chosen: after its interceptors, and not before the resolver has answered.
@Suite("The order of a call's configuration", .timeLimit(.minutes(1))) struct ConfigSelectorTests {
  /// Chooses by the metadata `x-route`; counts what it has been asked and what is committed.
  final class Routes: ConfigSelector {
    let asked = Atomic<Int>(0)
    let committed = Atomic<Int>(0)

    func configuration(of call: ConfigSelectorRequest) throws(StatusError) -> CallConfiguration {
      asked.add(1, ordering: .relaxed)
      var chosen = CallConfiguration()
      chosen.metadata = call.metadata
      chosen.metadata?.append(call.metadata["x-route"] ?? "none", for: "x-in")
      var config = MethodConfig()
      switch call.metadata["x-route"] {
      case "short":
        config.timeout = .milliseconds(50)
        chosen.methodConfig = config
      case "small":
        config.maxRequestMessageBytes = 10
        chosen.methodConfig = config
      default: break
      }
      chosen.committed = { [weak self] in self?.committed.add(1, ordering: .relaxed) }
      return chosen
    }
  }

  struct Router: ClientInterceptor {
    let route: String
    func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
      call.metadata["x-route"] = route
      try await next()
    }
  }

  static let limit = CallOptions(timeout: .seconds(20))

  struct Stage {
    let server = Server(services: [RawEcho()])
    let routes = Routes()
    let resolver = ManualResolver(scheme: "routed")
    let channel: Channel
    private let address: SocketAddress

    init() throws {
      address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
      var options = ChannelOptions()
      options.resolvers.register(resolver)
      channel = try Channel("routed:///orders", options: options)
    }

    func publish(serviceConfigJSON: String? = nil) {
      var resolution = Resolution(endpoints: [Endpoint(address)], serviceConfigJSON: serviceConfigJSON)
      if serviceConfigJSON == nil { resolution.attributes.configSelector = routes }
      resolver.publish(.resolved(resolution))
    }

    /// Makes a call of a channel that has no answer from its resolver yet, and publishes one once it waits.
    func early<Result: Sendable>(
      serviceConfigJSON: String? = nil, _ call: @escaping @Sendable (Channel) async throws -> Result
    ) async throws -> Result {
      async let result = call(channel)
      try await eventually("the channel has woken") { channel.state == .connecting }
      publish(serviceConfigJSON: serviceConfigJSON)
      return try await result
    }
  }

  /// - Returns: How it failed: well before the calls' own deadline, or not at all.
  private func failure(_ body: () async throws -> Void) async -> StatusError? {
    let started = ContinuousClock.now
    defer { #expect(started.duration(to: .now) < .seconds(10), "the deadline was the call's own") }
    do {
      try await body()
      return nil
    } catch {
      return error as? StatusError
    }
  }

  @Test("a config selector sees what interceptors have made of the metadata, and its configuration holds")
  func afterInterceptors() async throws {
    let stage = try Stage()
    defer { stage.server.shutDown() }
    stage.publish()
    try await stage.channel.waitUntilReady(.after(.seconds(20)))
    let blue = try await CallInvoker(stage.channel, interceptors: [Router(route: "blue")])
      .unary(RawEcho.metadata, [], options: Self.limit)
    #expect(blue.initialMetadata["x-initial"] == "blue")
    #expect(stage.routes.asked.load(ordering: .relaxed) == 1)

    let short = CallInvoker(stage.channel, interceptors: [Router(route: "short")])
    let late = await failure { _ = try await short.unary(RawEcho.hang, [1], options: Self.limit) }
    #expect(late?.code == .deadlineExceeded)
    let stream = await failure { for try await _ in short.bidirectional(RawEcho.chat, options: Self.limit) {} }
    #expect(stream?.code == .deadlineExceeded)

    let small = CallInvoker(stage.channel, interceptors: [Router(route: "small")])
    let large = await failure {
      _ = try await small.unary(RawEcho.unary, [UInt8](repeating: 1, count: 11), options: Self.limit)
    }
    #expect(large?.code == .resourceExhausted && large?.message.contains("over the limit of 10") == true)
    #expect(try await small.unary(RawEcho.unary, [1], options: Self.limit).message == [1])
  }

  @Test("a call that comes before the resolver's first answer has the configuration of that answer")
  func earlyCalls() async throws {
    let options = CallOptions(metadata: ["x-route": "short"], timeout: .seconds(20))
    let stage = try Stage()
    defer { stage.server.shutDown() }
    let late = await failure {
      _ = try await stage.early { try await $0.unary(RawEcho.hang, [1], options: options) }
    }
    #expect(late?.code == .deadlineExceeded)

    let second = try Stage()
    defer { second.server.shutDown() }
    let small = CallOptions(metadata: ["x-route": "small"], timeout: .seconds(20))
    let large = await failure {
      _ = try await second.early {
        try await $0.unary(RawEcho.unary, [UInt8](repeating: 1, count: 11), options: small)
      }
    }
    #expect(large?.code == .resourceExhausted && large?.message.contains("over the limit of 10") == true)

    let third = try Stage()
    defer { third.server.shutDown() }
    let json = #"{"methodConfig":[{"name":[{"service":"test.Raw","method":"Hang"}],"timeout":"0.05s"}]}"#
    let impatient = await failure {
      _ = try await third.early(serviceConfigJSON: json) {
        try await $0.unary(RawEcho.hang, [1], options: Self.limit)
      }
    }
    #expect(impatient?.code == .deadlineExceeded)
  }

  @Test("a selector hears of the commit once more was sent than is kept for another attempt") func overflow()
    async throws
  {
    let stage = try Stage()
    defer { stage.server.shutDown() }
    stage.publish()
    let call = stage.channel.clientStreaming(RawEcho.upload, options: Self.limit)
    try await call.send([1])
    try await eventually("the call has a connection") { call.peer != nil }
    #expect(stage.routes.committed.load(ordering: .relaxed) == 0)
    for _ in 0..<6 { try await call.send([UInt8](repeating: 1, count: 64 << 10)) }
    try await eventually("commit") { stage.routes.committed.load(ordering: .relaxed) == 1 }
    call.finish()
    #expect(try await call.response == Array("\((6 << 16) + 1)".utf8))
    #expect(stage.routes.committed.load(ordering: .relaxed) == 1)
  }
}
