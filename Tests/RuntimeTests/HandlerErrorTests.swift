import Synchronization
import TestSupport
import Testing
import Volery

/// What becomes of what handlers throw: the client hears what is meant for it, the log hears the rest, once.
@Suite("Errors of handlers", .timeLimit(.minutes(1))) struct HandlerErrorTests {
  private struct Failing: Service {
    let handlers: [MethodHandler]
  }

  /// Its text would be bad in a log line, and is nobody's business outside.
  private struct DatabaseError: Error, CustomStringConvertible {
    var description: String {
      "no \"orders\"\ncritical volery.server: FORGED at db-7.internal" + String(repeating: "!", count: 5000)
    }
  }

  private struct Unfit: Error, CustomStringConvertible {
    var description: String { "column 7 of db-7.internal" }
  }

  private static let timely = CallOptions(timeout: .seconds(20))

  private func method(_ name: String) -> Method<[UInt8], [UInt8]> {
    Method(service: "test.Failing", name: name, kind: .unary, idempotency: .idempotent)
  }

  private func withChannel(
    _ way: Way, _ log: LogRecorder, _ handlers: [MethodHandler], _ body: (Channel) async throws -> Void
  ) async throws {
    var options = ServerOptions()
    options.logger = log.logger
    let server = Server(services: [Failing(handlers: handlers)], options: options)
    let address = try server.start(listeningOn: way.listenAddress())[0]
    defer { server.shutDown() }
    try await body(try Channel(address.target))
  }

  private func failure(
    of method: Method<[UInt8], [UInt8]>, _ channel: Channel, _ options: CallOptions = timely
  ) async throws -> StatusError {
    try #require(
      await #expect(throws: StatusError.self) { try await channel.unary(method, [], options: options) })
  }

  @Test("a handler's own error is logged once, readable, and its client hears only UNKNOWN", arguments: Way.allCases)
  func ownError(_ way: Way) async throws {
    let log = LogRecorder()
    let method = method("Own")
    for executor in [MethodHandler.Executor.eventLoop, .sharedPool] {
      let handler = MethodHandler.unary(method) { _, _ in throw DatabaseError() }.on(executor)
      try await withChannel(way, log, [handler]) { channel in
        let error = try await failure(of: method, channel)
        #expect(error.status == Status(code: .unknown, message: "the handler has failed"))
        #expect(error.metadata.isEmpty)
      }
    }
    let lines = log.lines.filter { $0.contains("handler") }
    #expect(lines.count == 2)
    for line in lines {
      #expect(line.hasPrefix("error a handler has failed error: no \\\"orders\\\"\\ncritical volery.server: FORGED"))
      #expect(line.contains("method: /test.Failing/Own"))
      #expect(!line.contains("\n") && line.count < 1200)
    }
  }

  @Test(
    "a failed call of the handler's own tells nothing of what is behind it, and is not repeated for it",
    arguments: Way.allCases)
  func innerCall(_ way: Way) async throws {
    let log = LogRecorder()
    let method = method("Inner")
    let behind = try Channel("ipv4:127.0.0.1:1")
    let runs = Mutex(0)
    let handler = MethodHandler.unary(method) { request, _ in
      runs.withLock { $0 += 1 }
      return try await behind.unary(RawEcho.unary, request).message
    }
    try await withChannel(way, log, [handler]) { channel in
      let error = try await failure(of: method, channel)
      #expect(error.status == Status(code: .unknown, message: "a call that the handler made has failed"))
      #expect(error.metadata.isEmpty)
    }
    #expect(runs.withLock { $0 } == 1)
    let lines = log.lines.filter { $0.contains("handler") }
    #expect(lines.count == 1)
    #expect(lines.first?.hasPrefix("error a handler has failed with a call that it made") == true)
    #expect(lines.first?.contains("127.0.0.1:1") == true)
    #expect(lines.first?.contains("/test.Failing/Inner") == true)
  }

  @Test(
    "neither does one that was cut off by its own deadline, or whose server has refused it", arguments: Way.allCases)
  func innerStatus(_ way: Way) async throws {
    let log = LogRecorder()
    let (slow, refused) = (method("Slow"), method("Refused"))
    let behindServer = Server(services: [RawEcho()])
    let behind = try Channel(try behindServer.start(listeningOn: .tcp("127.0.0.1", 0))[0].target)
    defer { behindServer.shutDown() }
    let handlers: [MethodHandler] = [
      .unary(slow) { request, _ in
        try await behind.unary(RawEcho.hang, request, options: CallOptions(timeout: .milliseconds(50))).message
      },
      .unary(refused) { _, _ in
        try await behind.unary(RawEcho.fail, Array("db-7.internal is down".utf8), options: CallOptions()).message
      },
    ]
    try await withChannel(way, log, handlers) { channel in
      for method in [slow, refused] {
        let error = try await failure(of: method, channel)
        #expect(error.status == Status(code: .unknown, message: "a call that the handler made has failed"))
      }
    }
    #expect(log.lines.count { $0.contains("db-7.internal is down") } == 1)
    #expect(log.lines.count { $0.contains("DEADLINE_EXCEEDED") } == 1)
  }

  @Test("a status that the handler has made is its answer, and no line of the log", arguments: Way.allCases)
  func ownStatus(_ way: Way) async throws {
    let log = LogRecorder()
    let method = method("Status")
    let handler = MethodHandler.unary(method) { _, _ in
      throw StatusError(.notFound, "no such order", metadata: ["order": "7"])
    }
    try await withChannel(way, log, [handler]) { channel in
      let error = try await failure(of: method, channel)
      #expect(error.status == Status(code: .notFound, message: "no such order"))
      #expect(error.metadata["order"] == "7")
      #expect(error.origin == .peer)
    }
    #expect(!log.lines.contains { $0.contains("handler") })
  }

  @Test("what a serializer says stays in the log", arguments: Way.allCases) func serializers(_ way: Way) async throws {
    let log = LogRecorder()
    let unreadable = Serializer<[UInt8]>(serialize: { $1.write($0) }, deserialize: { _ in throw Unfit() })
    let unserializable = Serializer<[UInt8]>(serialize: { _, _ in throw Unfit() }, deserialize: { $0 })
    let (read, write) = (method("Read"), method("Write"))
    let handlers: [MethodHandler] = [
      .unary(
        Method(
          service: "test.Failing", name: "Read", kind: .unary, requestSerializer: unreadable, responseSerializer: .wire)
      ) { request, _ in request },
      .unary(
        Method(
          service: "test.Failing", name: "Write", kind: .unary, requestSerializer: .wire,
          responseSerializer: unserializable)
      ) { request, _ in request },
    ]
    try await withChannel(way, log, handlers) { channel in
      let first = try await failure(of: read, channel)
      #expect(first.status == Status(code: .internal, message: "a request of /test.Failing/Read can't be read"))
      let second = try await failure(of: write, channel)
      #expect(
        second.status == Status(code: .internal, message: "a response of /test.Failing/Write can't be serialized"))
    }
    let lines = log.lines.filter { $0.contains("column 7") }
    #expect(
      lines == [
        "notice a request can't be read error: column 7 of db-7.internal, method: /test.Failing/Read",
        "error a response can't be serialized error: column 7 of db-7.internal, method: /test.Failing/Write",
      ])
  }

  @Test("what a handler throws because its call was cancelled is no error of its own", arguments: Way.allCases)
  func cancelled(_ way: Way) async throws {
    let log = LogRecorder()
    let method = method("Cancelled")
    let (begun, begins) = AsyncStream.makeStream(of: Void.self)
    let handler = MethodHandler.unary(method) { _, _ in
      begins.yield()
      // A driver that has its own word for cancellation.
      do { try await Task.sleep(for: .seconds(60)) } catch { throw DatabaseError() }
      return []
    }
    try await withChannel(way, log, [handler]) { channel in
      let call = Task { try await channel.unary(method, [1], options: CallOptions(timeout: .seconds(20))) }
      for await _ in begun { break }
      call.cancel()
      await #expect(throws: StatusError.self) { try await call.value }
      let line = try await log.line(containing: "a handler has failed")
      #expect(line.hasPrefix("debug "))
    }
  }

  @Test("a client that makes a handler fail all the time does not fill the log") func flood() async throws {
    let log = LogRecorder()
    let (often, seldom) = (method("Often"), method("Seldom"))
    let handlers: [MethodHandler] = [
      .unary(often) { _, _ in throw Unfit() }, .unary(seldom) { _, _ in throw Unfit() },
    ]
    try await withChannel(.inProcess, log, handlers) { channel in
      for _ in 0..<200 { _ = try await failure(of: often, channel) }
      _ = try await failure(of: seldom, channel)
    }
    #expect((1...60).contains(log.lines.count { $0.contains("/test.Failing/Often") }))
    #expect(log.lines.count { $0.contains("/test.Failing/Seldom") } == 1)
  }
}
