import InMemoryTracing
import TestSupport
import Testing
import Tracing
import Volery
import VoleryTracing

/// gRFC A72, over real sockets.
@Suite("Traces", .timeLimit(.minutes(1))) struct TracingTests {
  /// Of both ends, so that each one's spans are known.
  let client = W3CTracer()
  let server = W3CTracer()

  func run(
    _ service: Subject = Subject(), options: TracingOptions = TracingOptions(), config: String? = nil,
    limit: Duration? = nil,
    _ body: (Channel) async throws -> Void
  ) async throws {
    try await Subject.run(
      service, server: [TracingObserver(tracer: server, options: options)],
      client: [TracingObserver(tracer: client, options: options)], config: config, limit: limit, body)
    try await eventually("every span has ended") {
      client.spans.activeSpans.isEmpty && server.spans.activeSpans.isEmpty
    }
  }

  @Test("a call has a span, its attempt one below it, and its server one below that, all in one trace")
  func unary() async throws {
    try await run { channel in _ = try await channel.unary(Subject.echo, [1, 2, 3], options: Subject.timely) }
    let call = try #require(client.finished("Sent.test.Subject.Echo").first)
    let attempt = try #require(client.finished("Attempt.test.Subject.Echo").first)
    let served = try #require(server.finished("Recv.test.Subject.Echo").first)
    #expect(client.finished().count == 2 && server.finished().count == 1)
    #expect(call.parentSpanID == nil && call.kind == .client)
    #expect(attempt.parentSpanID == call.spanID && attempt.traceID == call.traceID)
    #expect(served.traceID == call.traceID && served.kind == .server)
    #expect(served.parentSpanID == attempt.spanID)
    for span in [call, attempt, served] { #expect(span.status == SpanStatus(code: .ok)) }
    #expect(attempt.value("previous-rpc-attempts") == .int64(0))
    #expect(attempt.value("transparent-retry") == .bool(false))
    let messages = ["Outbound message", "Inbound message"]
    #expect(attempt.eventNames.filter { $0.hasSuffix("message") } == messages)
    #expect(served.eventNames == messages.reversed())
    for event in attempt.events + served.events where event.name.hasSuffix("message") {
      #expect(event.attributes.get("sequence-number") == .int64(0))
      #expect(event.attributes.get("message-size") == .int64(3))
    }
  }

  @Test("the first call tells that it had to wait for the name and for a connection, the next one does not")
  func delays() async throws {
    try await run { channel in
      for _ in 0..<2 { _ = try await channel.unary(Subject.echo, [], options: Subject.timely) }
    }
    let calls = client.finished("Sent.")
    #expect(calls.map(\.eventNames) == [["Delayed name resolution complete"], []])
    let attempts = client.finished("Attempt.")
    #expect(attempts.map { $0.eventNames.contains("Delayed LB pick complete") } == [true, false])
    let event = try #require(calls.first?.events.first)
    #expect(event.nanosecondsSinceEpoch >= calls[0].startInstant.nanosecondsSinceEpoch)
    #expect(event.nanosecondsSinceEpoch <= calls[0].endInstant.nanosecondsSinceEpoch)
  }

  @Test("the caller's own span is the parent") func parent() async throws {
    try await run { channel in
      try await client.withSpan("work") { _ in
        _ = try await channel.unary(Subject.echo, [], options: Subject.timely)
        let chat = channel.bidirectional(Subject.chat, options: Subject.timely)
        var answers = chat.makeAsyncIterator()
        chat.finish()
        #expect(try await answers.next() == nil)
      }
    }
    let work = try #require(client.finished("work").first)
    #expect(client.finished("Sent.").map(\.parentSpanID) == [work.spanID, work.spanID])
  }

  enum Place: CaseIterable {
    case eventLoop, sharedPool
  }

  @Test("calls that a handler makes are its span's children, wherever it runs", arguments: Place.allCases)
  func relay(_ place: Place) async throws {
    let behind = W3CTracer()
    try await Subject.run(
      server: [TracingObserver(tracer: behind)], client: [TracingObserver(tracer: server)]
    ) { next in
      try await run(Subject(next: next, executor: place == .eventLoop ? .eventLoop : .sharedPool)) { channel in
        _ = try await channel.unary(Subject.relay, [1], options: Subject.timely)
        // The pooled task that ran the handler is left as it was.
        _ = try await channel.unary(Subject.echo, [1], options: Subject.timely)
      }
    }
    let relayed = try #require(server.finished("Recv.test.Subject.Relay").first)
    let inner = try #require(server.finished("Sent.test.Subject.Echo").first)
    let last = try #require(behind.finished("Recv.test.Subject.Echo").first)
    #expect(inner.parentSpanID == relayed.spanID && last.traceID == relayed.traceID)
    #expect(client.finished("Sent.test.Subject.Relay").first?.traceID == last.traceID)
    let other = try #require(server.finished("Recv.test.Subject.Echo").first)
    #expect(other.traceID != relayed.traceID)
  }

  @Test("a handler that throws, and one that runs past its deadline, are errors of the server's span, with their codes")
  func failures() async throws {
    try await run { channel in
      await #expect(throws: StatusError.self) {
        try await channel.unary(Subject.throwing, [], options: Subject.timely)
      }
      await #expect(throws: StatusError.self) {
        try await channel.unary(Subject.missing, [], options: Subject.timely)
      }
      await #expect(throws: StatusError.self) {
        try await channel.unary(Subject.hang, [], options: CallOptions(timeout: .milliseconds(50)))
      }
    }
    func message(_ tracer: W3CTracer, _ name: String) -> String? {
      let status = tracer.finished(name).first?.status
      return status?.code == .error ? status?.message : nil
    }
    // Nothing of what it has thrown.
    #expect(message(server, "Recv.test.Subject.Throwing") == "UNKNOWN, the handler has failed")
    #expect(message(client, "Sent.test.Subject.Throwing") == "UNKNOWN, the handler has failed")
    #expect(message(server, "Recv.test.Subject.Missing") == "NOT_FOUND, no such thing")
    #expect(message(client, "Sent.test.Subject.Hang")?.hasPrefix("DEADLINE_EXCEEDED") == true)
    #expect(message(client, "Attempt.test.Subject.Hang")?.hasPrefix("DEADLINE_EXCEEDED") == true)
  }

  @Test("a handler that runs past the server's own deadline is an error at both ends")
  func serversDeadline() async throws {
    try await run(limit: .milliseconds(50)) { channel in
      await #expect(throws: StatusError.self) { try await channel.unary(Subject.hang, [], options: Subject.timely) }
    }
    for (tracer, name) in [(server, "Recv"), (client, "Sent"), (client, "Attempt")] {
      let span = try #require(tracer.finished("\(name).test.Subject.Hang").first)
      #expect(span.status?.code == .error)
      #expect(span.status?.message?.hasPrefix("DEADLINE_EXCEEDED") == true)
    }
  }

  @Test("the text of a status stays out where it should") func noTexts() async throws {
    var options = TracingOptions()
    options.recordsStatusMessages = false
    try await run(options: options) { channel in
      await #expect(throws: StatusError.self) {
        try await channel.unary(Subject.missing, [], options: Subject.timely)
      }
    }
    for span in client.finished() + server.finished() {
      #expect(span.status == SpanStatus(code: .error, message: "NOT_FOUND"))
    }
  }

  @Test("each attempt has its own span, and each server's is below its own attempt's") func retries() async throws {
    let config = """
      {"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.01s", "maxBackoff": "0.1s",
       "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}
      """
    try await run(Subject(failures: Subject.Counter(2)), config: config) { channel in
      // What the caller sends as a trace is replaced by its own.
      let metadata: Metadata = [
        "traceparent": "00-\(String(repeating: "a", count: 32))-\(String(repeating: "b", count: 16))-01"
      ]
      _ = try await channel.unary(
        Subject.flaky, [1], options: CallOptions(metadata: metadata, timeout: .seconds(20)))
    }
    let attempts = client.finished("Attempt.")
    #expect(attempts.map { $0.value("previous-rpc-attempts") } == [.int64(0), .int64(1), .int64(2)])
    #expect(attempts.map { $0.status?.code } == [.error, .error, .ok])
    #expect(Set(server.finished("Recv.").compactMap(\.parentSpanID)) == Set(attempts.map(\.spanID)))
    #expect(Set((attempts + server.finished("Recv.")).map(\.traceID)).count == 1)
    #expect(client.finished("Sent.").first?.status?.code == .ok)
  }

  @Test("messages of a stream are told in order, up to a limit") func stream() async throws {
    var options = TracingOptions()
    options.maxMessageEvents = 10
    try await run(options: options) { channel in
      let chat = channel.bidirectional(Subject.chat, options: Subject.timely)
      var answers = chat.makeAsyncIterator()
      for size in 1...8 {
        try await chat.send([UInt8](repeating: 7, count: size))
        _ = try await answers.next()
      }
      chat.finish()
      #expect(try await answers.next() == nil)
    }
    for span in client.finished("Attempt.") + server.finished() {
      let events = span.events.filter { $0.name.hasSuffix("message") }
      #expect(events.count == 10)
      for name in ["Inbound message", "Outbound message"] {
        let sizes = events.filter { $0.name == name }.map { $0.attributes.get("message-size") }
        #expect(sizes == (1...5).map { .int64(Int64($0)) })
      }
    }
  }

  @Test(
    "of a compressed message there are both sizes, at both ends and in both directions",
    arguments: [Compression.gzip, .deflate])
  func compressed(_ compression: Compression) async throws {
    var serverOptions = ServerOptions()
    serverOptions.compression = compression
    serverOptions.observers = [TracingObserver(tracer: server)]
    let pod = Server(services: [Subject()], options: serverOptions)
    defer { pod.shutDown() }
    let address = try pod.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    var channelOptions = ChannelOptions()
    channelOptions.observers = [TracingObserver(tracer: client)]
    let channel = try Channel("ipv4:\(address)", options: channelOptions)
    var options = Subject.timely
    options.compression = compression
    let chat = channel.bidirectional(Subject.chat, options: options)
    var answers = chat.makeAsyncIterator()
    let sizes = [10_000, 70_000]
    for size in sizes {
      try await chat.send([UInt8](repeating: 1, count: size))
      #expect(try await answers.next()?.count == size)
    }
    // Too short to get smaller: it travels as it is.
    try await chat.send([1, 2, 3])
    _ = try await answers.next()
    chat.finish()
    #expect(try await answers.next() == nil)
    try await eventually("every span has ended") {
      client.spans.activeSpans.isEmpty && server.spans.activeSpans.isEmpty
    }
    for span in client.finished("Attempt.") + server.finished() {
      for name in ["Inbound message", "Outbound message"] {
        let events = span.events.filter { $0.name == name }
        #expect(events.map { $0.attributes.get("sequence-number") } == (0...2).map { .int64($0) })
        #expect(events.map { $0.attributes.get("message-size") } == (sizes + [3]).map { .int64(Int64($0)) })
        for event in events.prefix(2) {
          guard case .int64(let size) = event.attributes.get("message-size-compressed") else {
            Issue.record("\(name) has no compressed size")
            continue
          }
          #expect(size > 10 && size < 1000)
        }
        #expect(events.last?.attributes.get("message-size-compressed") == nil)
      }
    }
  }

  @Test("a compressed message that is damaged has the size as it travels, and its call fails") func damaged()
    async throws
  {
    var options = ServerOptions()
    options.observers = [TracingObserver(tracer: server)]
    let pod = Server(services: [Subject()], options: options)
    defer { pod.shutDown() }
    let address = try pod.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    // Blocking waits, each with a limit.
    try await Task.detached {
      let peer = try ScriptedPeer.client(of: address)
      let request = ScriptedPeer.request.map { $0.0 == ":path" ? ($0.0, "/test.Subject/Echo") : $0 }
      peer.say(
        .headers(1, request + [("grpc-encoding", "gzip")]), .data(1, [1, 0, 0, 0, 4, 9, 9, 9, 9], ends: true))
      try peer.listen("the end") { $0.blocks.contains { $0.fields.contains { $0.0 == "grpc-status" } } }
    }.value
    try await eventually("the span has ended") { server.spans.activeSpans.isEmpty && !server.finished().isEmpty }
    let event = try #require(server.finished().first?.events.first)
    #expect(event.name == "Inbound compressed message")
    #expect(event.attributes.get("message-size-compressed") == .int64(4) && event.attributes.get("message-size") == nil)
    #expect(server.finished().first?.status?.code == .error)
  }

  @Test("a method that the server has not gives the span no name of the client's choice") func unregistered()
    async throws
  {
    try await run { channel in
      await #expect(throws: StatusError.self) { try await channel.unary(Subject.unknown, [], options: Subject.timely) }
    }
    #expect(server.finished().map(\.operationName) == ["Recv.other"])
    #expect(server.finished().first?.status?.message?.hasPrefix("UNIMPLEMENTED") == true)
  }

  @Test("a traced call keeps its whole interface: cancel, metadata, status") func interface() async throws {
    try await run { channel in
      let chat = channel.bidirectional(Subject.chat, options: Subject.timely)
      var answers = chat.makeAsyncIterator()
      try await chat.send([1])
      _ = try await answers.next()
      chat.cancel()
      let error = await #expect(throws: StatusError.self) { try await answers.next() }
      #expect(error?.code == .cancelled)
    }
    #expect(client.finished("Sent.").first?.status?.message?.hasPrefix("CANCELLED") == true)
    #expect(server.finished("Recv.").first?.status?.message?.hasPrefix("CANCELLED") == true)
  }

  @Test(
    "nothing of the metadata and of the messages is in a span, by any convention",
    arguments: [TelemetryConventions.grpc, .both])
  func secrets(_ conventions: TelemetryConventions) async throws {
    var options = TracingOptions()
    options.conventions = conventions
    try await run(options: options) { channel in
      let metadata: Metadata = ["authorization": "Bearer hunter2", "x-hunter2": "yes"]
      _ = try await channel.unary(
        Subject.echo, Array("hunter2".utf8), options: CallOptions(metadata: metadata, timeout: .seconds(20)))
    }
    for span in client.finished() + server.finished() { #expect(!"\(span)".contains("hunter2")) }
  }

  @Test("OpenTelemetry's names come instead or besides", arguments: [TelemetryConventions.openTelemetry, .both])
  func openTelemetry(_ conventions: TelemetryConventions) async throws {
    var options = TracingOptions()
    options.conventions = conventions
    try await run(options: options) { channel in
      for method in [Subject.missing, Subject.throwing, Subject.unknown] {
        await #expect(throws: StatusError.self) { try await channel.unary(method, [], options: Subject.timely) }
      }
    }
    let both = conventions == .both
    let call = try #require(client.finished(both ? "Sent.test.Subject.Missing" : "test.Subject/Missing").last)
    #expect(call.value("rpc.system.name") == .string("grpc"))
    #expect(call.value("rpc.method") == .string("test.Subject/Missing"))
    #expect(call.value("rpc.response.status_code") == .string("NOT_FOUND"))
    #expect(call.value("error.type") == .string("NOT_FOUND") && call.status?.code == .error)
    #expect(call.value("server.address") == .string("127.0.0.1"))
    guard case .int64 = call.value("server.port") else {
      Issue.record("no port")
      return
    }
    // The client's own fault is none of the server's.
    let missing = try #require(server.finished(both ? "Recv.test.Subject.Missing" : "test.Subject/Missing").first)
    #expect(missing.value("error.type") == nil && (missing.status == nil) == !both)
    #expect(missing.value("network.peer.address") == .string("127.0.0.1"))
    let throwing = try #require(server.finished(both ? "Recv.test.Subject.Throwing" : "test.Subject/Throwing").first)
    #expect(throwing.value("error.type") == .string("UNKNOWN") && throwing.status?.code == .error)
    let unknown = try #require(server.finished(both ? "Recv.other" : "_OTHER").first)
    #expect(unknown.value("rpc.method") == .string("_OTHER"))
    #expect(unknown.value("rpc.method_original") == .string("test.Nobody/Knows"))
  }
}
