import Logging
import Synchronization
import TestSupport
import Testing
import Volery

/// Writes down all that it is told, and can be waited for.
final class Recorder: Observer, CallObserver, AttemptObserver, ServerCallObserver {
  private let noted = Mutex<[String]>([])
  let name: String
  /// What its attempts send.
  let mark: String?

  init(_ name: String = "", mark: String? = nil) {
    self.name = name
    self.mark = mark
  }

  var lines: [String] { noted.withLock { $0 } }

  func note(_ line: String) { noted.withLock { $0.append(name + line) } }

  /// Waits until this holds of the lines.
  func wait(until isThere: ([String]) -> Bool) async throws {
    try await eventually("the observer has heard what it should") { isThere(lines) }
  }

  func wait(for text: String) async throws { try await wait { $0.contains { $0.contains(text) } } }

  // A channel's calls.
  func callStarted(_ call: ObservedCall) -> (any CallObserver)? {
    note("call \(call.method.name)")
    return self
  }

  func attemptStarted(_ attempt: ObservedAttempt, metadata: inout Metadata) -> (any AttemptObserver)? {
    note("attempt \(attempt.cause) after \(attempt.previousAttempts)")
    if let mark { metadata.append(mark, for: "x-mark") }
    return self
  }

  func sent(_ message: ObservedMessage) { note("sent \(message.index): \(message.byteCount)") }
  func received(_ initialMetadata: Metadata) { note("headers") }
  func received(_ message: ObservedMessage) { note("received \(message.index): \(message.byteCount)") }

  func ended(_ end: AttemptEnd) {
    #expect(end.duration > .zero && end.duration < .seconds(60))
    note(
      "attempt \(end.code) sent \(end.sent.messages)/\(end.sent.bytes) received \(end.received.messages)/\(end.received.bytes)"
    )
  }

  func ended(_ end: CallEnd) {
    #expect(end.duration > .zero && end.duration < .seconds(60))
    let attempts = end.attempts
    note("call \(end.code) r\(attempts.retries) t\(attempts.transparentRetries) h\(attempts.hedges)")
  }

  // A server's.
  func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? {
    note("call \(call.method.path) \(call.isRegistered) \(call.metadata["x-mark"] ?? "-")")
    return self
  }

  func sent(_ initialMetadata: Metadata) { note("headers") }

  func ended(_ end: ServerCallEnd) {
    #expect(end.duration > .zero && end.duration < .seconds(60))
    note(
      "call \(end.code) \(end.isComplete ? "complete" : "cut off") received \(end.received.messages)/\(end.received.bytes) "
        + "sent \(end.sent.messages)/\(end.sent.bytes)")
  }

  // Events.
  func happened(_ event: ChannelEvent, to channel: ObservedChannel) {
    switch event {
    case .created: note("created \(channel.target) \(channel.authority)")
    case .stateChanged(let state): note("state \(state)")
    case .closed: note("closed")
    case .resolved(let endpoints): note("resolved \(endpoints.count)")
    case .resolutionFailed(let error): note("not resolved: \(error.message)")
    case .subchannelCreated(let id, _): note("subchannel \(id)")
    case .subchannelChanged(let id, let state, _): note("subchannel \(id) \(state)")
    case .subchannelEjected(let id): note("subchannel \(id) ejected")
    case .subchannelReadmitted(let id): note("subchannel \(id) readmitted")
    case .outlierEjected(let id, let method): note("subchannel \(id) ejected by \(method)")
    case .outlierReadmitted(let id): note("subchannel \(id) not ejected any more")
    case .outlierSpared(let id, let method, let reason): note("subchannel \(id) spared by \(method): \(reason)")
    case .weightsUpdated(let weights): note("weights of \(weights.count)")
    case .subchannelRemoved(let id): note("subchannel \(id) removed")
    case .connecting(let connection): note("connection \(connection.id) begun")
    case .connectFailed(let connection, _, _): note("connection \(connection.id) ended: failed")
    case .connectAbandoned(let connection): note("connection \(connection.id) ended: abandoned")
    case .connected(let connection, _, _): note("connection \(connection.id) connected")
    case .disconnecting(let connection, let loss, _): note("connection \(connection.id) ending: \(loss)")
    case .disconnected(let connection, let loss, _, let streams, _):
      note("connection \(connection.id) ended: \(loss) after \(streams)")
    }
  }

  func happened(_ event: ServerEvent, to server: ObservedServer) {
    switch event {
    case .listening(let addresses): note("listening \(addresses.count)")
    case .connectionRefused(_, let reason): note("refused: \(reason)")
    case .connectionOpened: note("connection opened")
    case .connectionClosed(_, _, let reason, let streams, _):
      note("connection closed \(reason ?? "well") after \(streams)")
    case .draining(let calls): note("draining \(calls)")
    case .stopped: note("stopped")
    }
  }
}

@Suite("Observers", .timeLimit(.minutes(1))) struct ObserverTests {
  static let timely = CallOptions(timeout: .seconds(20))
  typealias Place = ClientInterceptorTests.Place

  /// - Returns: What the channel's observer and the server's have heard of calls, in order; all are over.
  func record(
    at place: Place = .socket, mark: String? = nil, services: [any Service] = [Reflector()], config: String? = nil,
    _ body: (Channel) async throws -> Void
  ) async throws -> (client: [String], server: [String], channel: [String]) {
    let (atServer, atClient) = (Recorder(), Recorder(mark: mark))
    var serverOptions = ServerOptions()
    serverOptions.observers = [atServer]
    let server = Server(services: services, options: serverOptions)
    defer { server.shutDown() }
    let name: ListenAddress =
      place == .socket ? .tcp("127.0.0.1", 0) : .inProcess("observers-\(UInt64.random(in: 0 ... .max))")
    let address = try server.start(listeningOn: name)[0]
    var options = ChannelOptions()
    options.observers = [atClient]
    if let config { options.serviceConfig = try ServiceConfig(json: config) }
    let channel = try Channel(address.target, options: options)
    try await body(channel)
    try await atClient.wait { lines in
      lines.contains { $0.contains(" t0 h") }
        && lines.count { $0.wholeMatch(of: /attempt .* after \d/) != nil }
          == lines.count { $0.wholeMatch(of: /attempt .* received .*/) != nil }
    }
    try await atServer.wait { lines in
      lines.count { $0.contains("call /") } == lines.count { $0.contains("sent ") && $0.hasPrefix("call ") }
    }
    func isOfCalls(_ line: String) -> Bool {
      ["call", "attempt", "sent", "headers", "received"].contains { line.hasPrefix($0) }
    }
    let client = atClient.lines
    return (client.filter(isOfCalls), atServer.lines.filter(isOfCalls), client.filter { !isOfCalls($0) })
  }

  @Test("they hear of a call, its attempt and its messages, in order, at both ends", arguments: Place.allCases)
  func order(_ place: Place) async throws {
    let (client, server, _) = try await record(at: place) { channel in
      _ = try await channel.unary(Reflector.unary, [1, 2, 3], options: Self.timely)
    }
    #expect(
      client == [
        "call Unary", "attempt first after 0", "sent 0: 3", "headers", "received 0: 3",
        "attempt OK sent 1/3 received 1/3", "call OK r0 t0 h0",
      ])
    #expect(
      server == [
        "call /test.Reflector/Unary true -", "received 0: 3", "headers", "sent 0: 3",
        "call OK complete received 1/3 sent 1/3",
      ])
  }

  @Test("they hear of every message of a stream", arguments: Place.allCases) func streams(_ place: Place) async throws {
    let (client, server, _) = try await record(at: place) { channel in
      let chat = channel.bidirectional(Reflector.chat, options: Self.timely)
      var answers = chat.makeAsyncIterator()
      for size in 1...3 {
        try await chat.send([UInt8](repeating: 7, count: size))
        _ = try await answers.next()
      }
      chat.finish()
      let end = try await answers.next()
      #expect(end == nil)
    }
    #expect(client.contains("sent 2: 3") && client.contains("received 2: 3"))
    #expect(client.suffix(2) == ["attempt OK sent 3/6 received 3/6", "call OK r0 t0 h0"])
    #expect(server.last == "call OK complete received 3/6 sent 3/6")
  }

  @Test("a failed call's code is told", arguments: Place.allCases) func failure(_ place: Place) async throws {
    let (client, server, _) = try await record(at: place) { channel in
      await #expect(throws: StatusError.self) { try await channel.unary(Reflector.fails, [1], options: Self.timely) }
    }
    #expect(client.suffix(2) == ["attempt NOT_FOUND sent 1/1 received 0/0", "call NOT_FOUND r0 t0 h0"])
    #expect(server.last == "call NOT_FOUND complete received 1/1 sent 0/0")
  }

  @Test("calls that a server does not take are told, too", arguments: Place.allCases)
  func unknown(_ place: Place) async throws {
    let method = Method<[UInt8], [UInt8]>(service: "test.Nobody", name: "Knows", kind: .unary)
    let (_, server, _) = try await record(at: place) { channel in
      await #expect(throws: StatusError.self) { try await channel.unary(method, [1], options: Self.timely) }
    }
    #expect(server == ["call /test.Nobody/Knows false -", "call UNIMPLEMENTED complete received 0/0 sent 0/0"])
  }

  @Test("what an observer adds to an attempt's metadata reaches the server") func metadata() async throws {
    let (_, server, _) = try await record(mark: "trace 1") { channel in
      _ = try await channel.unary(Reflector.unary, [1], options: Self.timely)
    }
    #expect(server.first == "call /test.Reflector/Unary true trace 1")
  }

  @Test("a call that is given up is told as it ended, at both ends", arguments: Place.allCases)
  func cancelled(_ place: Place) async throws {
    let (client, server, _) = try await record(at: place) { channel in
      let chat = channel.bidirectional(Reflector.chat, options: Self.timely)
      var answers = chat.makeAsyncIterator()
      try await chat.send([1])
      _ = try await answers.next()
      chat.cancel()
    }
    #expect(Set(client.suffix(2)) == ["attempt CANCELLED sent 1/1 received 1/1", "call CANCELLED r0 t0 h0"])
    #expect(server.last == "call CANCELLED cut off received 1/1 sent 1/1")
  }

  @Test("a deadline is told") func deadline() async throws {
    try await givenTime("an attempt has begun", from: .milliseconds(50)) { time in
      let (client, _, _) = try await record { channel in
        let chat = channel.bidirectional(Reflector.chat, options: CallOptions(timeout: time))
        var answers = chat.makeAsyncIterator()
        await #expect(throws: StatusError.self) { try await answers.next() }
      }
      #expect(client.contains("call DEADLINE_EXCEEDED r0 t0 h0"))
      guard client.contains("attempt first after 0") else { return false }
      #expect(client.contains("attempt DEADLINE_EXCEEDED sent 0/0 received 0/0"))
      return true
    }
  }

  @Test("retries are attempts of their own") func retries() async throws {
    let service = RetryTests.Flaky(failures: 2)
    let (client, _, _) = try await record(services: [service], config: RetryTests.config + "}") { channel in
      _ = try await channel.unary(RetryTests.Flaky.method, [33], options: Self.timely)
    }
    let attempts = client.filter { $0.hasPrefix("attempt") && $0.contains("after") }
    #expect(attempts == ["attempt first after 0", "attempt retry after 1", "attempt retry after 2"])
    #expect(client.last == "call OK r2 t0 h0")
  }

  /// Answers the third call that comes; the others hang until they are cancelled.
  private final class ThirdAnswers: Service {
    static let method = Method<[UInt8], [UInt8]>(service: "test.Third", name: "Unary", kind: .unary)
    private let calls = Mutex(0)

    var handlers: [MethodHandler] {
      [
        .unary(ThirdAnswers.method) { [self] request, _ in
          let number = calls.withLock { calls in
            calls += 1
            return calls
          }
          if number < 3 { for await _ in AsyncStream<Void>.makeStream().stream {} }
          return request
        }
      ]
    }
  }

  static let hedging = """
    {"methodConfig": [{"name": [{}], "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.01s"}}]}
    """

  @Test("hedges are told as such, and those that lose as given up") func hedges() async throws {
    let (client, _, _) = try await record(services: [ThirdAnswers()], config: Self.hedging) { channel in
      _ = try await channel.unary(ThirdAnswers.method, [1], options: Self.timely)
    }
    #expect(
      client.filter { $0.hasPrefix("attempt") && $0.contains(" after ") }.sorted() == [
        "attempt first after 0", "attempt hedge after 1", "attempt hedge after 2",
      ])
    #expect(client.contains("call OK r0 t0 h2"))
    #expect(client.count { $0.hasPrefix("attempt OK") } == 1)
    #expect(client.count { $0.hasPrefix("attempt CANCELLED") } == 2)
  }

  @Test("hedges that a deadline ends are told, too") func hedgesAtDeadline() async throws {
    try await givenTime("all attempts have begun before the deadline") { time in
      let pods = [HedgingTests.Pod(1, .hangs)]
      let (client, _, _) = try await record(services: pods, config: Self.hedging) { channel in
        await #expect(throws: StatusError.self) {
          try await channel.unary(HedgingTests.Pod.unary, [1], options: CallOptions(timeout: time))
        }
      }
      // A deadline that passes while the last of them begins may still count it, or may not.
      guard client.count(where: { $0.hasPrefix("attempt hedge after") }) == 2,
        client.contains("call DEADLINE_EXCEEDED r0 t0 h2")
      else { return false }
      #expect(client.count { $0 == "attempt hedge after 1" || $0 == "attempt hedge after 2" } == 2)
      // The server may say so first, of one of them: the others are given up then.
      #expect(client.count { $0.hasPrefix("attempt DEADLINE_EXCEEDED") || $0.hasPrefix("attempt CANCELLED") } == 3)
      return true
    }
  }

  @Test("whoever is told of a beginning is told of its end, once, whatever becomes of it") func everyEnd() async throws
  {
    let recorder = Recorder()
    var options = ChannelOptions()
    options.observers = [recorder]
    do {
      // Nobody listens on port 1.
      let channel = try Channel("127.0.0.1:1", options: options)
      await #expect(throws: StatusError.self) { try await channel.unary(Reflector.unary, [1], options: Self.timely) }
      await #expect(throws: StatusError.self) {
        try await channel.unary(
          Reflector.unary, [1],
          options: CallOptions(metadata: ["grpc-forbidden": "name"], timeout: .seconds(20)))
      }
      let waiting = Task {
        try await channel.unary(
          Reflector.unary, [1], options: CallOptions(timeout: .seconds(20), waitForReady: true))
      }
      try await recorder.wait { $0.count { $0 == "call Unary" } == 3 }
      waiting.cancel()
      await #expect(throws: StatusError.self) { try await waiting.value }
      try await recorder.wait { $0.count { $0.contains(" r0 t0") } == 3 }
      channel.close()
    }
    try await recorder.wait { lines in
      lines.contains("closed") && lines.count { $0.hasSuffix("begun") } == lines.count { $0.contains(" ended: ") }
    }
    let lines = recorder.lines
    #expect(!lines.contains { $0.hasPrefix("attempt") })
    #expect(lines.contains("call UNAVAILABLE r0 t0 h0") && lines.contains("call CANCELLED r0 t0 h0"))
    #expect(lines.contains { $0.hasSuffix("ended: failed") })
  }

  @Test("a channel's own life is told: name, subchannels, connections, states") func channelLife() async throws {
    let recorder = Recorder()
    let server = Server(services: [Reflector()])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    var options = ChannelOptions()
    options.observers = [recorder]
    let channel = try Channel(address.target, options: options)
    _ = try await channel.unary(Reflector.unary, [1], options: Self.timely)
    await server.drain(limit: .seconds(5))
    try await recorder.wait(for: "ended: goodbye after 1")
    channel.close()
    try await recorder.wait(for: "closed")
    let lines = recorder.lines
    #expect(lines.first == "created \(channel.target) \(address)")
    for step in ["resolved 1", "state connecting", "state ready", "state shutdown"] {
      #expect(lines.contains(step), "\(step) is not in \(lines)")
    }
    let steps = ["begun", "connected", "ending: goodbye", "ended: goodbye after 1"]
    let number = lines.compactMap { $0.firstMatch(of: /connection (\d+) begun/)?.1 }.first ?? "none"
    let connection = lines.filter { $0.hasPrefix("connection \(number) ") }
    #expect(zip(connection, steps).allSatisfy { $0.hasSuffix($1) } && connection.count == 4, "\(connection)")
    #expect(lines.contains { $0.hasPrefix("subchannel ") && $0.hasSuffix("ready") })
    #expect(lines.count { $0.hasSuffix("removed") } == lines.count { $0.wholeMatch(of: /subchannel \d+/) != nil })
  }

  @Test("channels, subchannels, connections and servers are numbered in one row") func numbers() async throws {
    final class Numbers: Observer {
      let row = Mutex<[(kind: String, id: Int)]>([])
      func note(_ kind: String, _ id: Int) { row.withLock { $0.append((kind, id)) } }
      func happened(_ event: ChannelEvent, to channel: ObservedChannel) {
        switch event {
        case .created: note("channel", channel.id)
        case .subchannelCreated(let id, _): note("subchannel", id)
        case .connecting(let connection): note("connection", connection.id)
        default: break
        }
      }
      func happened(_ event: ServerEvent, to server: ObservedServer) {
        switch event {
        case .listening: note("server", server.id)
        case .connectionOpened(let id, _): note("accepted", id)
        default: break
        }
      }
    }
    let numbers = Numbers()
    var serverOptions = ServerOptions()
    serverOptions.observers = [numbers]
    let server = Server(services: [Reflector()], options: serverOptions)
    defer { server.shutDown() }
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    var options = ChannelOptions()
    options.observers = [numbers]
    for _ in 0..<2 {
      let channel = try Channel(address.target, options: options)
      _ = try await channel.unary(Reflector.unary, [1], options: Self.timely)
      channel.close()
    }
    let row = numbers.row.withLock { $0 }
    #expect(Set(row.map(\.id)).count == row.count, "\(row)")
    // What was made later has a higher number, whatever it is.
    let made = row.filter { $0.kind != "accepted" }
    #expect(
      made.map(\.kind) == ["server"]
        + Array(repeating: ["channel", "subchannel", "connection"], count: 2).flatMap { $0 })
    #expect(made.map(\.id) == made.map(\.id).sorted(), "\(row)")
  }

  @Test("a server's own life is told: listening, connections, draining, the end") func serverLife() async throws {
    let recorder = Recorder()
    var options = ServerOptions()
    options.observers = [recorder]
    let server = Server(services: [Reflector()], options: options)
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    let channel = try Channel(address.target)
    _ = try await channel.unary(Reflector.unary, [1], options: Self.timely)
    channel.close()
    try await recorder.wait(for: "connection closed")
    await server.drain(limit: .seconds(5))
    server.shutDown()
    let lines = recorder.lines.filter {
      ["listening", "connection", "draining", "stopped"].contains($0.split(separator: " ")[0])
    }
    #expect(lines.prefix(2) == ["listening 1", "connection opened"])
    #expect(lines[2].hasSuffix("after 1"))
    #expect(lines.suffix(2) == ["draining 0", "stopped"])
  }

  @Test("several are told, each in its turn") func several() async throws {
    let (first, second) = (Recorder("1 ", mark: "a"), Recorder("2 ", mark: "b"))
    let (third, fourth) = (Recorder("3 "), Recorder("4 "))
    var serverOptions = ServerOptions()
    serverOptions.observers = [third, fourth]
    let server = Server(services: [Reflector()], options: serverOptions)
    defer { server.shutDown() }
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    var options = ChannelOptions()
    options.observers = [first, second]
    let channel = try Channel(address.target, options: options)
    let response = try await channel.unary(Reflector.unary, [1], options: Self.timely)
    #expect(response.initialMetadata["x-seen"] == "a,b")
    try await second.wait(for: "call OK")
    try await fourth.wait(for: "call OK")
    func calls(_ recorder: Recorder) -> [String] {
      recorder.lines.map { String($0.dropFirst(2)) }.filter { $0.hasPrefix("call") || $0.hasPrefix("attempt") }
    }
    #expect(calls(first) == calls(second) && calls(first).count == 4)
    #expect(calls(third) == calls(fourth) && calls(third).count == 2)
  }

  @Test("one that has no use for attempts is not asked of them; beside one that has, it is") func endsOnly()
    async throws
  {
    final class Ends: Observer, CallObserver {
      let attempts = Atomic<Int>(0)
      let ends = Atomic<Int>(0)
      var hearsAttempts: Bool { false }
      func callStarted(_ call: ObservedCall) -> (any CallObserver)? { self }
      func attemptStarted(_ attempt: ObservedAttempt, metadata: inout Metadata) -> (any AttemptObserver)? {
        attempts.add(1, ordering: .relaxed)
        return nil
      }
      func ended(_ end: CallEnd) { ends.add(1, ordering: .relaxed) }
    }
    let ends = Ends()
    let server = Server(services: [Reflector()])
    defer { server.shutDown() }
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    for (observers, attempts) in [([ends], 0), ([ends, Recorder()] as [any Observer], 1)] {
      var options = ChannelOptions()
      options.observers = observers
      _ = try await Channel(address.target, options: options).unary(Reflector.unary, [1], options: Self.timely)
      #expect(ends.attempts.load(ordering: .relaxed) == attempts)
    }
    #expect(ends.ends.load(ordering: .relaxed) == 2)
  }

  enum Marks {
    @TaskLocal static var first = "-"
    @TaskLocal static var second = 0

    static let method = Method<[UInt8], [UInt8]>(service: "test.Marks", name: "Read", kind: .unary)

    struct Reader: Service {
      let executor: MethodHandler.Executor
      var handlers: [MethodHandler] {
        [
          MethodHandler.unary(Marks.method) { _, _ in
            await Task.yield()
            return Array("\(Marks.first) \(Marks.second)".utf8)
          }.on(executor)
        ]
      }
    }
  }

  /// Binds a value for the calls that ask for it.
  final class Binder: Observer, ServerCallObserver {
    let handlerBinding: HandlerBinding?
    init(_ binding: HandlerBinding) { handlerBinding = binding }

    func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? {
      call.metadata["x-mark"] == nil ? nil : self
    }
  }

  enum Worksite: CaseIterable {
    case eventLoop, sharedPool
  }

  @Test(
    "task-local values that observers bind hold for the handler, and for no other one", arguments: Worksite.allCases)
  func bindings(_ site: Worksite) async throws {
    var serverOptions = ServerOptions()
    serverOptions.observers = [
      Binder(HandlerBinding(Marks.$first, to: "bound")), Recorder(), Binder(HandlerBinding(Marks.$second, to: 2)),
    ]
    let reader = Marks.Reader(executor: site == .eventLoop ? .eventLoop : .sharedPool)
    let server = Server(services: [reader], options: serverOptions)
    defer { server.shutDown() }
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    let channel = try Channel(address.target)
    let marked = CallOptions(metadata: ["x-mark": "1"], timeout: .seconds(20))
    for _ in 0..<3 {
      let bound = try await channel.unary(Marks.method, [], options: marked).message
      #expect(String(decoding: bound, as: UTF8.self) == "bound 2")
      let unbound = try await channel.unary(Marks.method, [], options: Self.timely).message
      #expect(String(decoding: unbound, as: UTF8.self) == "- 0")
    }
  }

  @Test("a server that is ejected is told, and that it has answered again") func ejected() async throws {
    let recorder = Recorder()
    let server = Server(services: [RetryTests.Flaky(failures: 5)])
    defer { server.shutDown() }
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    var options = ChannelOptions()
    options.observers = [recorder]
    let channel = try Channel(address.target, options: options)
    for _ in 0..<5 {
      await #expect(throws: StatusError.self) {
        try await channel.unary(RetryTests.Flaky.method, [1], options: Self.timely)
      }
    }
    try await recorder.wait(for: "ejected")
    _ = try await channel.unary(RetryTests.Flaky.method, [1], options: Self.timely)
    try await recorder.wait(for: "readmitted")
    #expect(recorder.lines.count { $0.contains("ejected") || $0.contains("readmitted") } == 2)
  }

  /// Does nothing until this is in the log.
  final class Slow: Observer {
    let log: LogRecorder
    let text: String

    init(until text: String, in log: LogRecorder) { (self.log, self.text) = (log, text) }

    func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? {
      let end = ContinuousClock.now + .seconds(20)
      while !log.lines.contains(where: { $0.contains(text) }), ContinuousClock.now < end {}
      return nil
    }
  }

  @Test("one that holds up its loop is named in the server's log") func slow() async throws {
    let recorder = LogRecorder()
    var options = ServerOptions()
    options.observers = [Slow(until: "holds up its event loop", in: recorder)]
    options.stallThreshold = .milliseconds(20)
    options.logger = recorder.logger
    let server = Server(services: [Reflector()], options: options)
    defer { server.shutDown() }
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    let channel = try Channel(address.target)
    _ = try await channel.unary(Reflector.unary, [1], options: Self.timely)
    let line = try await recorder.line(containing: "holds up its event loop")
    #expect(line.contains("an observer") && line.contains("Slow"))
  }
}
