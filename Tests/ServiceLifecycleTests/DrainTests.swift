import Logging
import ServiceLifecycle
import TestSupport
import Testing
import Volery
import VoleryServiceLifecycle

/// What a server that stops says to its calls, its handlers and its people.
@Suite("Draining", .timeLimit(.minutes(1))) struct DrainTests {
  static let ask = Method<[UInt8], [UInt8]>(service: "test.Drain", name: "Ask", kind: .unary)
  static let list = Method<[UInt8], [UInt8]>(service: "test.Drain", name: "List", kind: .serverStreaming)
  static let sum = Method<[UInt8], [UInt8]>(service: "test.Drain", name: "Sum", kind: .clientStreaming)
  static let chat = Method<[UInt8], [UInt8]>(service: "test.Drain", name: "Chat", kind: .bidirectional)
  static let names = ["Ask", "List", "Sum", "Chat"]

  /// Handlers that begin, and go on until they are cancelled.
  struct Endless: Volery.Service {
    let begun = AsyncStream<ServerContext>.makeStream()

    private func go(_ context: ServerContext) async {
      begun.continuation.yield(context)
      for await _ in AsyncStream<Void>.makeStream().stream {}
    }

    var handlers: [MethodHandler] {
      [
        .unary(DrainTests.ask) { request, context in
          await go(context)
          return request
        },
        .serverStreaming(DrainTests.list) { request, responses, context in
          try await responses.write([1])
          await go(context)
        },
        .clientStreaming(DrainTests.sum) { _, context in
          await go(context)
          return []
        },
        .bidirectional(DrainTests.chat) { _, responses, context in
          try await responses.write([1])
          await go(context)
        },
      ]
    }
  }

  /// Streams that end when the server begins to drain.
  struct Polite: Volery.Service {
    let begun = AsyncStream<ServerContext>.makeStream()

    var handlers: [MethodHandler] {
      [
        .serverStreaming(DrainTests.list) { request, responses, context in
          begun.continuation.yield(context)
          let isWhole = try await context.untilServerDrains {
            try await responses.write([1])
            for await _ in AsyncStream<Void>.makeStream().stream {}
            try Task.checkCancellation()
          }
          if !isWhole { try await responses.write([2]) }
        },
        .unary(DrainTests.ask) { request, context in
          try await context.untilServerDrains { throw StatusError(.notFound, "its own") }
          return request
        },
      ]
    }
  }

  static func failure(_ name: String, on channel: Channel) async -> StatusError? {
    do throws(StatusError) {
      switch name {
      case "Ask": _ = try await channel.unary(ask, [])
      case "List":
        var responses = channel.serverStreaming(list, []).makeAsyncIterator()
        while try await responses.next() != nil {}
      case "Sum": _ = try await channel.clientStreaming(sum).response
      default:
        let call = channel.bidirectional(chat)
        var responses = call.makeAsyncIterator()
        while try await responses.next() != nil {}
      }
      return nil
    } catch {
      return error
    }
  }

  enum Place: CaseIterable { case tcp, tls, inProcess }

  private static func start(_ service: any Volery.Service, _ place: Place, _ logger: Logger) throws -> (Server, Channel)
  {
    var options = ServerOptions()
    options.logger = logger
    let certificate = TLSSource.file(TestCertificates.path("server.crt"))
    let credentials: ServerCredentials =
      place == .tls
      ? .tls(certificate: certificate, key: .file(TestCertificates.path("server.key"))) : .plaintext
    let server = Server(services: [service], credentials: credentials, options: options)
    let name: ListenAddress =
      place == .inProcess ? .inProcess("drain-\(UInt64.random(in: 0 ... .max))") : .tcp("127.0.0.1", 0)
    let address = try server.start(listeningOn: name)[0]
    let roots = TLSRoots.file(TestCertificates.path("ca.crt"))
    let channel = try Channel(
      place == .inProcess ? "\(address)" : "ipv4:\(address)",
      credentials: place == .tls ? .tls(roots: roots) : .plaintext)
    return (server, channel)
  }

  @Test(
    "a call that is cut off at the limit ends with UNAVAILABLE, and says why; its handler is cancelled",
    arguments: Place.allCases, names)
  func cutOff(_ place: Place, _ name: String) async throws {
    let recorder = LogRecorder()
    let service = Endless()
    let (server, channel) = try Self.start(service, place, recorder.logger)
    async let failure = Self.failure(name, on: channel)
    var begun = service.begun.stream.makeAsyncIterator()
    let context = try #require(await begun.next())
    await server.drain(limit: .milliseconds(50))
    let error = try #require(await failure)
    #expect(error.code == .unavailable && error.origin == .peer, "\(error)")
    #expect(error.message == "the server is stopping: the call did not end within its time to drain, 0.05 seconds")
    #expect(context.isCancelled && context.isServerDraining)
    #expect(recorder.lines.contains("notice the time to drain is over: 1 call is cut off "), "\(recorder.lines)")
  }

  @Test("a handler can learn that the server drains, and end its stream in time", arguments: Place.allCases)
  func polite(_ place: Place) async throws {
    let service = Polite()
    let (server, channel) = try Self.start(service, place, LogRecorder().logger)
    let error = await Self.failure("Ask", on: channel)
    #expect(error?.code == .notFound && error?.message == "its own")
    let call = channel.serverStreaming(Self.list, [])
    var responses = call.makeAsyncIterator()
    #expect(try await responses.next() == [1])
    var begun = service.begun.stream.makeAsyncIterator()
    let context = try #require(await begun.next())
    #expect(!context.isServerDraining)
    let start = ContinuousClock.now
    await server.drain(limit: .seconds(30))
    #expect(try await responses.next() == [2])
    #expect(try await responses.next() == nil)
    #expect(await call.status.isOK)
    #expect(context.isServerDraining && start.duration(to: .now) < .seconds(20))
  }

  @Test("a client that cancels ends such a stream too", arguments: Place.allCases) func cancelled(_ place: Place)
    async throws
  {
    let service = Polite()
    let (server, channel) = try Self.start(service, place, LogRecorder().logger)
    defer { server.shutDown() }
    let call = channel.serverStreaming(Self.list, [])
    var responses = call.makeAsyncIterator()
    #expect(try await responses.next() == [1])
    var begun = service.begun.stream.makeAsyncIterator()
    let context = try #require(await begun.next())
    call.cancel()
    try await eventually("the handler hears of it") { context.isCancelled }
    #expect(!context.isServerDraining)
  }

  // MARK: The log

  @Test("a server that runs says serving, draining with its calls, and stopped, at info; each once") func log()
    async throws
  {
    let recorder = LogRecorder()
    let service = Endless()
    let (server, channel) = try Self.start(service, .tcp, recorder.logger)
    let running = Task { await server.waitUntilStopped() }
    #expect(try await recorder.line(containing: "info serving").contains("addresses: 127.0.0.1:"))
    async let failure = Self.failure("Ask", on: channel)
    var begun = service.begun.stream.makeAsyncIterator()
    _ = await begun.next()
    await server.drain(limit: .milliseconds(50))
    await running.value
    #expect(await failure?.code == .unavailable)
    let lines = recorder.lines.filter { $0.hasPrefix("info") }.map { $0.prefix { $0 != ":" } }
    #expect(lines == ["info serving addresses", "info draining (1 call) ", "info stopped "], "\(lines)")
  }

  @Test("a server that is only started says it at debug") func quietServer() async throws {
    let recorder = LogRecorder()
    let (server, channel) = try Self.start(Polite(), .tcp, recorder.logger)
    _ = await Self.failure("Ask", on: channel)
    await server.drain()
    server.shutDown()
    let words = recorder.lines.map { $0.prefix { $0 != ":" } }
    #expect(words == ["debug listening addresses", "debug draining (0 calls) ", "debug stopped "], "\(words)")
  }

  @Test(
    "a channel says nothing at info where nothing is wrong",
    arguments: ["ipv4:127.0.0.1", "dns:///localhost", "dns:///127.0.0.1"])
  func quietClient(_ target: String) async throws {
    let server = Server(services: [Polite()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    guard case .tcp(_, let port) = address else { return }
    let recorder = LogRecorder()
    var options = ChannelOptions()
    options.logger = recorder.logger
    let channel = try Channel("\(target):\(port)", options: options)
    #expect(await Self.failure("Ask", on: channel)?.code == .notFound)
    await server.drain()
    _ = await Self.failure("Ask", on: channel)
    await channel.drain()
    #expect(!recorder.lines.isEmpty)
    for line in recorder.lines { #expect(line.hasPrefix("debug") || line.hasPrefix("trace"), "\(line)") }
  }

  // MARK: In a group

  /// Notes when it stops.
  struct Last: ServiceLifecycle.Service {
    let stopped: @Sendable () -> Void
    func run() async throws {
      try await gracefulShutdown()
      stopped()
    }
  }

  private static var silent: Logger {
    var logger = Logger(label: "group")
    logger.logLevel = .critical
    return logger
  }

  @Test("in a group a channel outlives the server whose handlers call through it, and closes before what it needs")
  func order() async throws {
    let back = Server(services: [Polite()])
    defer { back.shutDown() }
    let inner = try Channel("ipv4:\(try back.start(listeningOn: .tcp("127.0.0.1", 0))[0])")
    let states = AsyncStream<ConnectivityState>.makeStream()
    let front = Server(services: [Proxy(inner: inner)])
    let path = "/tmp/volery-drain-\(UInt64.random(in: 0 ... .max)).sock"
    let group = ServiceGroup(
      configuration: .init(
        services: [
          Last { states.continuation.yield(inner.state) }, inner.service(), front.service(listeningOn: .unix(path)),
        ], logger: Self.silent))
    let running = Task { try await group.run() }
    let channel = try Channel("unix:\(path)")
    let options = CallOptions(timeout: .seconds(20), waitForReady: true)
    let call = channel.serverStreaming(Self.list, [], options: options)
    var responses = call.makeAsyncIterator()
    #expect(try await responses.next() == [1])
    await group.triggerGracefulShutdown()
    // The handler's own call goes on until it is the front's turn to end.
    #expect(try await responses.next() == [9])
    #expect(try await responses.next() == nil)
    try await running.value
    var found = states.stream.makeAsyncIterator()
    #expect(await found.next() == .shutdown)
    let late = await Self.failure("Ask", on: inner)
    #expect(late?.code == .unavailable)
  }

  /// Calls through a channel once its server drains.
  struct Proxy: Volery.Service {
    let inner: Channel
    var handlers: [MethodHandler] {
      [
        .serverStreaming(DrainTests.list) { _, responses, context in
          try await responses.write([1])
          try await context.untilServerDrains { for await _ in AsyncStream<Void>.makeStream().stream {} }
          let failure = await DrainTests.failure("Ask", on: inner)
          try await responses.write(failure?.code == .notFound ? [9] : [0])
        }
      ]
    }
  }

  @Test(
    "the group's maximum is kept: a server's calls are cut off, a channel is closed", arguments: ["server", "channel"])
  func maximum(_ what: String) async throws {
    let service = Endless()
    let server = Server(services: [service])
    let path = "/tmp/volery-drain-\(UInt64.random(in: 0 ... .max)).sock"
    if what == "channel" { try server.start(listeningOn: .unix(path)) }
    defer { server.shutDown() }
    let channel = try Channel("unix:\(path)")
    let member: any ServiceLifecycle.Service =
      what == "server" ? server.service(listeningOn: .unix(path)) : channel.service()
    var configuration = ServiceGroupConfiguration(services: [member], logger: Self.silent)
    configuration.maximumGracefulShutdownDuration = .milliseconds(100)
    let group = ServiceGroup(configuration: configuration)
    let running = Task { try await group.run() }
    if what == "server" {
      try await channel.waitUntilReady(.after(.seconds(20)))
    }
    async let failure = Self.failure("Ask", on: channel)
    var begun = service.begun.stream.makeAsyncIterator()
    _ = await begun.next()
    let start = ContinuousClock.now
    await group.triggerGracefulShutdown()
    _ = await running.result
    #expect(start.duration(to: .now) < .seconds(15))
    if what == "server" {
      let error = await failure
      #expect(error?.code == .unavailable)
      #expect(error?.message == "the server is stopping: the call did not end within its time to drain")
    } else {
      server.shutDown()
      #expect(await failure?.code == .unavailable)
    }
  }
}
