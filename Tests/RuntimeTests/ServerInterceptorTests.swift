import Synchronization
import TestSupport
import Testing
import Volery

/// A closure as a server's interceptor.
struct Guard: ServerInterceptor {
  let body: @Sendable (ServerInvocation, ServerInvocation.Next) async throws -> Void
  init(_ body: @escaping @Sendable (ServerInvocation, ServerInvocation.Next) async throws -> Void) { self.body = body }
  func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws { try await body(call, next) }
}

@Suite("Server interceptors", .timeLimit(.minutes(1))) struct ServerInterceptorTests {
  static let timely = CallOptions(timeout: .seconds(20))
  typealias Place = ClientInterceptorTests.Place

  struct Mark: ServerInterceptor {
    let name: String
    let journal: Journal

    func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
      journal.note("\(name) before \(call.method.name)")
      call.metadata.append(name, for: "x-mark")
      do {
        try await next()
        journal.note("\(name) after")
      } catch {
        journal.note("\(name) after \((error as? StatusError)?.code.description ?? "\(error)")")
        throw error
      }
    }
  }

  func with(
    _ interceptors: [any ServerInterceptor], services: [any Service] = [], at place: Place = .socket,
    log: LogRecorder? = nil, _ body: (Channel, Reflector) async throws -> Void
  ) async throws {
    let mirror = Reflector()
    var options = ServerOptions()
    options.interceptors = interceptors
    if let log { options.logger = log.logger }
    let server = Server(services: [mirror] + services, options: options)
    defer { server.shutDown() }
    let name: ListenAddress =
      place == .socket ? .tcp("127.0.0.1", 0) : .inProcess("server-interceptors-\(UInt64.random(in: 0 ... .max))")
    let address = try server.start(listeningOn: name)[0]
    try await body(try Channel(address.target), mirror)
  }

  private func failure(_ body: () async throws -> Void) async -> StatusError? {
    do {
      try await body()
      return nil
    } catch {
      return error as? StatusError
    }
  }

  @Test("they stand around every kind of call, the first one outermost", arguments: Place.allCases)
  func order(_ place: Place) async throws {
    let journal = Journal()
    try await with([Mark(name: "a", journal: journal), Mark(name: "b", journal: journal)], at: place) { channel, _ in
      let response = try await channel.unary(Reflector.unary, [1, 2], options: Self.timely)
      #expect(response.message == [1, 2])
      #expect(response.initialMetadata["x-seen"] == "a,b")
      #expect(response.trailingMetadata["x-end"] == "end")
      #expect(journal.lines == ["a before Unary", "b before Unary", "b after", "a after"])
      var numbers: [[UInt8]] = []
      for try await number in channel.serverStreaming(Reflector.count, [3], options: Self.timely) {
        numbers.append(number)
      }
      #expect(numbers == [[0], [1], [2]])
      let upload = channel.clientStreaming(Reflector.collect, options: Self.timely)
      for number in 0..<3 { try await upload.send([UInt8(number)]) }
      upload.finish()
      #expect(try await upload.response == [0, 1, 2])
      let chat = channel.bidirectional(Reflector.chat, options: Self.timely)
      var answers = chat.makeAsyncIterator()
      try await chat.send([5])
      let answer = try await answers.next()
      #expect(answer == [5])
      chat.finish()
      let last = try await answers.next()
      #expect(last == nil)
      #expect(await chat.status.isOK)
      #expect(journal.lines.count == 16)
    }
  }

  @Test(
    "a refusal keeps the call from its handler; a failure of the handler passes each on its way out",
    arguments: Place.allCases)
  func outcomes(_ place: Place) async throws {
    let journal = Journal()
    let token = Guard { call, next in
      guard call.metadata["authorization"] == "Bearer sesame" else {
        throw StatusError(.unauthenticated, "no token", metadata: ["x-hint": "say sesame"])
      }
      try await next()
    }
    let mapped = Guard { call, next in
      do { try await next() } catch let error as StatusError where error.code == .notFound {
        throw StatusError(.failedPrecondition, "mapped: \(error.message)")
      }
    }
    try await with([Mark(name: "a", journal: journal), token, mapped], at: place) { channel, mirror in
      let refused = await failure { _ = try await channel.unary(Reflector.unary, [1], options: Self.timely) }
      #expect(refused?.code == .unauthenticated)
      #expect(refused?.metadata["x-hint"] == "say sesame")
      #expect(mirror.calls.lines == [])
      var options = Self.timely
      options.metadata = ["authorization": "Bearer sesame"]
      let error = await failure { _ = try await channel.unary(Reflector.fails, [1], options: options) }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message == "mapped: nothing here")
      #expect(error?.metadata["x-end"] == "end")
      #expect(
        journal.lines == [
          "a before Unary", "a after UNAUTHENTICATED", "a before Fails", "a after FAILED_PRECONDITION",
        ])
    }
  }

  @Test("messages are seen and replaced, both ways, in the interceptors' order", arguments: Place.allCases)
  func messages(_ place: Place) async throws {
    let outer = Guard { call, next in
      call.onRequest { message in message.replace(withBytes: try message.bytes() + [1]) }
      call.onResponse { message in
        guard let value: [UInt8] = try message.value() else { throw StatusError(.internal, "another type") }
        try message.replace(with: value + [4])
      }
      try await next()
    }
    let inner = Guard { call, next in
      call.onRequest { message in message.replace(withBytes: try message.bytes() + [2]) }
      call.onResponse { message in message.replace(withBytes: try message.bytes() + [3]) }
      try await next()
    }
    try await with([outer, inner], at: place) { channel, _ in
      for compression in [Compression.identity, .gzip] {
        var options = Self.timely
        options.compression = compression
        let answer = try await channel.unary(Reflector.unary, [0], options: options).message
        #expect(answer == [0, 1, 2, 3, 4])
        let chat = channel.bidirectional(Reflector.chat, options: options)
        var answers = chat.makeAsyncIterator()
        try await chat.send([9])
        let first = try await answers.next()
        #expect(first == [9, 1, 2, 3, 4])
        chat.finish()
        _ = try await answers.next()
      }
    }
  }

  @Test("they are told of the last request's end, once, behind its hooks", arguments: Place.allCases)
  func requestsEnd(_ place: Place) async throws {
    let journal = Journal()
    let watching = Guard { call, next in
      call.onRequest { message in journal.note("\(call.method.name) \(try message.bytes())") }
      call.onRequestsEnd { journal.note("\(call.method.name) end") }
      try await next()
    }
    let onlyTheEnd = Guard { call, next in
      call.onRequestsEnd { journal.note("\(call.method.name) is all") }
      try await next()
    }
    try await with([watching], at: place) { channel, _ in
      _ = try await channel.unary(Reflector.unary, [1], options: Self.timely)
      for try await _ in channel.serverStreaming(Reflector.count, [1], options: Self.timely) {}
      let upload = channel.clientStreaming(Reflector.collect, options: Self.timely)
      try await upload.send([1])
      upload.finish()
      _ = try await upload.response
      let chat = channel.bidirectional(Reflector.chat, options: Self.timely)
      chat.finish()
      #expect(await chat.status.isOK)
    }
    try await with([onlyTheEnd], at: place) { channel, _ in
      let response = try await channel.unary(Reflector.unary, [1], options: Self.timely)
      #expect(response.message == [1])
    }
    #expect(
      journal.lines == [
        "Unary [1]", "Unary end", "Count [1]", "Count end", "Collect [1]", "Collect end", "Chat end", "Unary is all",
      ])
  }

  @Test("one that answers by itself keeps the call from its handler", arguments: Place.allCases) func shortCircuit(
    _ place: Place
  ) async throws {
    let cache = Guard { call, _ in
      if call.method.kind == .serverStreaming { call.respond(bytes: [7]) }
      call.respond(bytes: [8])
      call.context.trailingMetadata = ["x-cache": "hit"]
    }
    try await with([cache], at: place) { channel, mirror in
      let response = try await channel.unary(Reflector.unary, [1], options: Self.timely)
      #expect(response.message == [8])
      #expect(response.trailingMetadata["x-cache"] == "hit")
      var numbers: [[UInt8]] = []
      for try await number in channel.serverStreaming(Reflector.count, [9], options: Self.timely) {
        numbers.append(number)
      }
      #expect(numbers == [[7], [8]])
      #expect(mirror.calls.lines == [])
    }
  }

  @Test(
    "they see every call that reaches the server: of methods that nobody has, and health checks",
    arguments: Place.allCases) func everyCall(_ place: Place)
    async throws
  {
    let journal = Journal()
    try await with([Mark(name: "a", journal: journal)], services: [Health()], at: place) { channel, _ in
      let unknown = Method<[UInt8], [UInt8]>(service: "no.Such", name: "Thing", kind: .unary)
      let error = await failure { _ = try await channel.unary(unknown, [1], options: Self.timely) }
      #expect(error?.code == .unimplemented)
      #expect(error?.message.contains("unknown service") == true)
      let check = Method<[UInt8], [UInt8]>(service: "grpc.health.v1.Health", name: "Check", kind: .unary)
      _ = try await channel.unary(check, [], options: Self.timely)
      #expect(journal.lines == ["a before Thing", "a after UNIMPLEMENTED", "a before Check", "a after"])
    }
  }

  @Test("only some methods", arguments: Place.allCases) func selection(_ place: Place) async throws {
    let journal = Journal()
    let only = Mark(name: "a", journal: journal).only { $0.name == "Unary" }
    try await with([only], at: place) { channel, _ in
      _ = try await channel.unary(Reflector.unary, [1], options: Self.timely)
      _ = await failure { _ = try await channel.unary(Reflector.fails, [1], options: Self.timely) }
      let unknown = Method<[UInt8], [UInt8]>(service: "no.Such", name: "Thing", kind: .unary)
      let error = await failure { _ = try await channel.unary(unknown, [1], options: Self.timely) }
      #expect(error?.code == .unimplemented)
      #expect(journal.lines == ["a before Unary", "a after"])
    }
  }

  @Test(
    "a fault of theirs ends its own call; the log says whose it is, and the client is told nothing of the server's inside",
    arguments: Place.allCases)
  func faults(_ place: Place) async throws {
    struct Idle: ServerInterceptor {
      func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {}
    }
    struct Twice: ServerInterceptor {
      func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
        try await next()
        try await next()
      }
    }
    struct Broken: ServerInterceptor {
      struct Secret: Error {}
      func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws { throw Secret() }
    }
    for (interceptor, code, words) in [
      (Idle() as any ServerInterceptor, StatusCode.internal, "Idle neither went on nor answered"),
      (Twice(), .internal, "Twice went on twice"), (Broken(), .unknown, "interceptor: Broken"),
      (Broken(), .unknown, "error: Secret()"),
    ] {
      let log = LogRecorder()
      try await with([interceptor.only { $0.name == "Unary" }], at: place, log: log) { channel, mirror in
        let error = await failure { _ = try await channel.unary(Reflector.unary, [1], options: Self.timely) }
        #expect(error?.code == code)
        #expect(error?.message.contains("Secret") == false)
        for name in ["Idle", "Twice", "Broken"] { #expect(error?.message.contains(name) == false, "\(name)") }
        let other = await failure { _ = try await channel.unary(Reflector.fails, [1], options: Self.timely) }
        #expect(other?.code == .notFound, "other calls go on")
        let line = try await log.line(containing: words)
        #expect(line.hasPrefix("error ") && line.contains("method: /test.Reflector/Unary"), "\(line)")
        #expect(line.contains("an interceptor has failed"), "\(line)")
      }
    }
  }

  @Test("the log tells an interceptor's error from a handler's, and a hook's is there too", arguments: Place.allCases)
  func whoseError(_ place: Place) async throws {
    struct Surprise: Error {}
    struct Thrower: ServerInterceptor {
      func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
        if call.metadata["x-where"] == "before" { throw Surprise() }
        if call.metadata["x-where"] == "request" { call.onRequest { _ in throw Surprise() } }
        if call.metadata["x-where"] == "response" { call.onResponse { _ in throw Surprise() } }
        try await next()
      }
    }
    struct Passing: ServerInterceptor {
      func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws { try await next() }
    }
    for (name, count) in [("before", 1), ("request", 1), ("response", 1)] {
      let log = LogRecorder()
      try await with([Passing(), Thrower()], at: place, log: log) { channel, _ in
        let options = CallOptions(metadata: ["x-where": name], timeout: .seconds(20))
        let error = await failure { _ = try await channel.unary(Reflector.unary, [1], options: options) }
        #expect(error?.code == .unknown && error?.message.contains("Surprise") == false)
        let line = try await log.line(containing: "Surprise()")
        #expect(line.contains("an interceptor has failed"), "\(line)")
        // A hook's owner is not known where there are several.
        if name == "before" { #expect(line.contains("interceptor: Thrower"), "\(line)") }
        #expect(log.lines.count { $0.contains("Surprise()") } == count, "\(log.lines)")
      }
    }
    struct Broken: Service {
      static let method = Method<[UInt8], [UInt8]>(service: "test.Broken", name: "Break", kind: .unary)
      var handlers: [MethodHandler] { [.unary(Broken.method) { _, _ in throw Surprise() }] }
    }
    let log = LogRecorder()
    try await with([Passing()], services: [Broken()], at: place, log: log) { channel, _ in
      let error = await failure { _ = try await channel.unary(Broken.method, [1], options: Self.timely) }
      #expect(error?.code == .unknown)
      let line = try await log.line(containing: "Surprise()")
      #expect(line.hasPrefix("error a handler has failed"), "\(line)")
    }
  }

  @Test("one that is stuck holds its own call only, to the deadline", arguments: Place.allCases) func stuck(
    _ place: Place
  ) async throws {
    let journal = Journal()
    let stuck = Guard { call, next in
      guard call.method.name == "Unary" else { return try await next() }
      journal.note("entered")
      try? await Task.sleep(for: .seconds(60))
      journal.note(Task.isCancelled ? "cancelled" : "slept")
      try await next()
    }
    try await with([stuck], at: place) { channel, mirror in
      try await givenTime("the interceptor has the call") { time in
        let error = await failure {
          _ = try await channel.unary(Reflector.unary, [1], options: CallOptions(timeout: time))
        }
        #expect(error?.code == .deadlineExceeded)
        return !journal.lines.isEmpty
      }
      let other = await failure { _ = try await channel.unary(Reflector.fails, [1], options: Self.timely) }
      #expect(other?.code == .notFound)
      try await eventually("its task is cancelled") { journal.lines.count == 2 }
      #expect(journal.lines == ["entered", "cancelled"])
    }
  }

  @Test("one that answers after the deadline answers nobody", arguments: Place.allCases)
  func lateAnswer(_ place: Place) async throws {
    let journal = Journal()
    let late = Guard { call, next in
      guard call.method.name != "Fails" else { return try await next() }
      journal.note("entered")
      for await _ in AsyncStream<Void>.makeStream().stream {}
      call.respond(bytes: [42])
      journal.note("answered")
    }
    try await with([late], at: place) { channel, mirror in
      for kind in ["unary", "stream"] {
        let before = journal.lines.count
        try await givenTime("the interceptor has the call") { time in
          let options = CallOptions(timeout: time)
          var answers: [[UInt8]] = []
          let error = await failure {
            if kind == "unary" {
              answers.append(try await channel.unary(Reflector.unary, [1], options: options).message)
            } else {
              for try await answer in channel.serverStreaming(Reflector.count, [1], options: options) {
                answers.append(answer)
              }
            }
          }
          #expect(error?.code == .deadlineExceeded && answers == [])
          return journal.lines.count > before
        }
      }
      let other = await failure { _ = try await channel.unary(Reflector.fails, [1], options: Self.timely) }
      #expect(other?.code == .notFound, "other calls go on")
      try await eventually("both have come to their answer") { journal.lines.count { $0 == "answered" } == 2 }
      #expect(mirror.calls.lines == ["Fails"])
    }
  }

  @Test("one that blocks its loop is found out: the log names the method", arguments: Place.allCases)
  func blocks(_ place: Place) async throws {
    let log = LogRecorder()
    let blocking = Guard { call, next in
      let end = ContinuousClock.now + .seconds(20)
      while !log.lines.contains(where: { $0.contains("holds up its event loop") }), .now < end {}
      try await next()
    }
    try await with([blocking.only { $0.name == "Unary" }], at: place, log: log) { channel, _ in
      let answer = try await channel.unary(Reflector.unary, [1], options: CallOptions(timeout: .seconds(30))).message
      #expect(answer == [1])
      let line = try await log.line(containing: "holds up its event loop")
      #expect(line.contains("method: /test.Reflector/Unary"), "\(line)")
    }
  }

  enum Name {
    @TaskLocal static var current = ""
  }

  @Test("what it binds to the task around next holds for the handler, whose deadline is the call's") func taskLocals()
    async throws
  {
    struct Teller: Service {
      static let tell = Method<[UInt8], [UInt8]>(service: "test.Teller", name: "Tell", kind: .unary)
      var handlers: [MethodHandler] {
        [.unary(Teller.tell) { _, context in Array("\(Name.current) \(context.deadline.timeRemaining != nil)".utf8) }]
      }
    }
    let names = Guard { call, next in try await Name.$current.withValue("Ada") { try await next() } }
    try await with([names], services: [Teller()]) { channel, _ in
      let answer = try await channel.unary(Teller.tell, [], options: Self.timely).message
      #expect(String(decoding: answer, as: UTF8.self) == "Ada true")
    }
  }
}
