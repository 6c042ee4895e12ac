import Synchronization
import TestSupport
import Testing
import Volery

/// What happened, in order.
final class Journal: Sendable {
  private let state = Mutex<[String]>([])
  func note(_ line: String) { state.withLock { $0.append(line) } }
  var lines: [String] { state.withLock { $0 } }
}

/// Answers with what it was sent; says in metadata what it saw.
struct Reflector: Service {
  static let unary = Method<[UInt8], [UInt8]>(service: "test.Reflector", name: "Unary", kind: .unary)
  static let collect = Method<[UInt8], [UInt8]>(service: "test.Reflector", name: "Collect", kind: .clientStreaming)
  static let count = Method<[UInt8], [UInt8]>(service: "test.Reflector", name: "Count", kind: .serverStreaming)
  static let chat = Method<[UInt8], [UInt8]>(service: "test.Reflector", name: "Chat", kind: .bidirectional)
  static let fails = Method<[UInt8], [UInt8]>(service: "test.Reflector", name: "Fails", kind: .unary)

  let calls = Journal()

  private func seen(_ context: ServerContext) {
    calls.note(context.method.name)
    context.initialMetadata["x-seen"] = context.metadata.values("x-mark").joined(separator: ",")
    context.trailingMetadata["x-end"] = "end"
  }

  var handlers: [MethodHandler] {
    [
      .unary(Reflector.unary) { request, context in
        seen(context)
        return request
      },
      .clientStreaming(Reflector.collect) { requests, context in
        seen(context)
        return try await requests.reduce(into: [UInt8]()) { $0 += $1 }
      },
      .serverStreaming(Reflector.count) { request, writer, context in
        seen(context)
        for number in 0..<(request.first ?? 0) { try await writer.write([number]) }
      },
      .bidirectional(Reflector.chat) { requests, writer, context in
        seen(context)
        for try await request in requests { try await writer.write(request) }
      },
      .unary(Reflector.fails) { _, context in
        seen(context)
        throw StatusError(.notFound, "nothing here")
      },
    ]
  }
}

/// A closure as an interceptor.
struct Around: ClientInterceptor {
  let body: @Sendable (ClientInvocation, ClientInvocation.Next) async throws -> Void
  init(_ body: @escaping @Sendable (ClientInvocation, ClientInvocation.Next) async throws -> Void) { self.body = body }
  func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws { try await body(call, next) }
}

@Suite("Client interceptors", .timeLimit(.minutes(1))) struct ClientInterceptorTests {
  static let timely = CallOptions(timeout: .seconds(20))

  /// Marks calls in both directions, in its own name.
  struct Mark: ClientInterceptor {
    let name: String
    let journal: Journal

    func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
      journal.note("\(name) before")
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

  enum Place: CaseIterable { case socket, inProcess }

  func with(
    _ place: Place = .socket, _ options: ChannelOptions = ChannelOptions(),
    _ body: (Channel, Reflector) async throws -> Void
  ) async throws {
    let mirror = Reflector()
    let server = Server(services: [mirror])
    defer { server.shutDown() }
    let name: ListenAddress =
      place == .socket ? .tcp("127.0.0.1", 0) : .inProcess("interceptors-\(UInt64.random(in: 0 ... .max))")
    let address = try server.start(listeningOn: name)[0]
    try await body(try Channel(address.target, options: options), mirror)
  }

  private func failure(_ body: () async throws -> Void) async -> StatusError? {
    do {
      try await body()
      return nil
    } catch {
      return error as? StatusError
    }
  }

  @Test("the channel's stand outside the client's, each list from the outside in", arguments: Place.allCases)
  func order(_ place: Place) async throws {
    let journal = Journal()
    var options = ChannelOptions()
    options.interceptors = [Mark(name: "a", journal: journal), Mark(name: "b", journal: journal)]
    try await with(place, options) { channel, _ in
      let invoker = CallInvoker(channel, interceptors: [Mark(name: "c", journal: journal)])
      let response = try await invoker.unary(Reflector.unary, [1, 2], options: Self.timely)
      #expect(response.message == [1, 2])
      #expect(response.initialMetadata["x-seen"] == "a,b,c")
      #expect(response.trailingMetadata["x-end"] == "end")
      #expect(response.peer != nil)
      #expect(journal.lines == ["a before", "b before", "c before", "c after", "b after", "a after"])
    }
  }

  @Test("a failure passes each of them on its way out", arguments: Place.allCases) func failing(_ place: Place)
    async throws
  {
    let journal = Journal()
    try await with(place) { channel, _ in
      let invoker = CallInvoker(
        channel, interceptors: [Mark(name: "a", journal: journal), Mark(name: "b", journal: journal)])
      let error = await failure { _ = try await invoker.unary(Reflector.fails, []) }
      #expect(error?.code == .notFound)
      #expect(error?.message == "nothing here")
      #expect(error?.metadata["x-end"] == "end")
      #expect(journal.lines == ["a before", "b before", "b after NOT_FOUND", "a after NOT_FOUND"])
    }
  }

  @Test("they stand around streams of all kinds, from the first message to the last", arguments: Place.allCases)
  func streams(_ place: Place) async throws {
    let journal = Journal()
    try await with(place) { channel, _ in
      let invoker = CallInvoker(channel, interceptors: [Mark(name: "a", journal: journal)])
      var numbers: [[UInt8]] = []
      for try await number in invoker.serverStreaming(Reflector.count, [3], options: Self.timely) {
        numbers.append(number)
      }
      #expect(numbers == [[0], [1], [2]])
      let upload = invoker.clientStreaming(Reflector.collect, options: Self.timely)
      for number in 0..<3 { try await upload.send([UInt8(number)]) }
      upload.finish()
      let collected = try await upload.fullResponse
      #expect(collected.message == [0, 1, 2])
      #expect(collected.initialMetadata["x-seen"] == "a")
      let chat = invoker.bidirectional(Reflector.chat, options: Self.timely)
      var answers = chat.makeAsyncIterator()
      for number in 0..<3 {
        try await chat.send([UInt8(number)])
        let answer = try await answers.next()
        #expect(answer == [UInt8(number)])
      }
      chat.finish()
      let last = try await answers.next()
      #expect(last == nil)
      #expect(await chat.status.isOK)
      #expect(journal.lines == ["a before", "a after", "a before", "a after", "a before", "a after"])
    }
  }

  @Test(
    "messages are seen and replaced, as bytes and as values, both ways, in the interceptors' order",
    arguments: Place.allCases)
  func messages(_ place: Place) async throws {
    let outer = Around { call, next in
      call.onRequest { message in message.replace(withBytes: try message.bytes() + [1]) }
      call.onResponse { message in
        guard let value: [UInt8] = try message.value() else { throw StatusError(.internal, "another type") }
        try message.replace(with: value + [4])
      }
      try await next()
    }
    let inner = Around { call, next in
      call.onRequest { message in
        guard let value: [UInt8] = try message.value() else { throw StatusError(.internal, "another type") }
        try message.replace(with: value + [2])
      }
      call.onResponse { message in message.replace(withBytes: try message.bytes() + [3]) }
      try await next()
    }
    try await with(place) { channel, _ in
      let invoker = CallInvoker(channel, interceptors: [outer, inner])
      for compression in [Compression.identity, .gzip] {
        var options = Self.timely
        options.compression = compression
        #expect(try await invoker.unary(Reflector.unary, [0], options: options).message == [0, 1, 2, 3, 4])
        let chat = invoker.bidirectional(Reflector.chat, options: options)
        var answers = chat.makeAsyncIterator()
        try await chat.send([9])
        let answer = try await answers.next()
        #expect(answer == [9, 1, 2, 3, 4])
        chat.finish()
        _ = try await answers.next()
      }
      #expect(
        try await channel.unary(Reflector.unary, [0], options: Self.timely).message == [0],
        "not on the channel's own calls")
    }
  }

  @Test("a request that can't be sent fails when they go on, and not for one that answers by itself")
  func unsendable() async throws {
    struct Unwritable: Error {}
    let wire = Serializer<[UInt8]>.wire
    let unwritable = Method<[UInt8], [UInt8]>(
      service: "test.Reflector", name: "Unary", kind: .unary,
      requestSerializer: Serializer(serialize: { _, _ in throw Unwritable() }, deserialize: wire.deserialize),
      responseSerializer: wire)
    let journal = Journal()
    let looks = Mark(name: "a", journal: journal)
    let answers = Around { call, _ in try call.respond([7] as [UInt8]) }
    try await with { channel, mirror in
      // In the interceptors' own task, as the call has a deadline; and in the caller's, once the channel knows its configuration.
      for var options in [Self.timely, CallOptions()] {
        let looked = CallInvoker(channel, interceptors: [looks])
        let error = await failure { _ = try await looked.unary(unwritable, [1], options: options) }
        #expect(error?.code == .internal && error?.message.contains("can't be serialized") == true)
        options.maxRequestMessageBytes = 1
        let tooLong = await failure { _ = try await looked.unary(Reflector.unary, [1, 2], options: options) }
        #expect(tooLong?.code == .resourceExhausted)
        let answered = try await CallInvoker(channel, interceptors: [answers]).unary(unwritable, [1], options: options)
        #expect(answered.message == [7])
        let sent = try await looked.unary(Reflector.unary, [1], options: options).message
        #expect(sent == [1])
      }
      let round = ["a before", "a after INTERNAL", "a before", "a after RESOURCE_EXHAUSTED", "a before", "a after"]
      #expect(journal.lines == round + round)
      #expect(mirror.calls.lines == ["Unary", "Unary"])
    }
  }

  @Test(
    "they are told of the end of requests and responses, once, behind the last one's hooks, around calls and attempts",
    arguments: Place.allCases)
  func requestsEnd(_ place: Place) async throws {
    func notes(_ name: String, _ journal: Journal, _ answers: Journal) -> Around {
      Around { call, next in
        call.onRequest { message in journal.note("\(name) \(try message.bytes())") }
        call.onRequestsEnd { journal.note("\(name) end") }
        call.onResponse { message in answers.note("\(name) \(try message.bytes())") }
        call.onResponsesEnd { answers.note("\(name) end") }
        try await next()
      }
    }
    let answers = Journal()
    let journal = Journal()
    var options = ChannelOptions()
    options.interceptors = [notes("call", journal, answers)]
    options.attemptInterceptors = [notes("attempt", journal, answers)]
    try await with(place, options) { channel, _ in
      _ = try await channel.unary(Reflector.unary, [1], options: Self.timely)
      for try await _ in channel.serverStreaming(Reflector.count, [1], options: Self.timely) {}
      let upload = channel.clientStreaming(Reflector.collect, options: Self.timely)
      try await upload.send([1])
      upload.finish()
      upload.finish()
      _ = try await upload.response
      let chat = channel.bidirectional(Reflector.chat, options: Self.timely)
      chat.finish()
      var iterator = chat.makeAsyncIterator()
      let last = try await iterator.next()
      #expect(last == nil)
    }
    let expected = Array(repeating: ["[1]", "end"], count: 3).flatMap { $0 } + ["end"]
    for name in ["call", "attempt"] {
      #expect(journal.lines.filter { $0.hasPrefix(name) } == expected.map { "\(name) \($0)" })
      let responses = ["[1]", "end", "[0]", "end", "[1]", "end", "end"]
      #expect(answers.lines.filter { $0.hasPrefix(name) } == responses.map { "\(name) \($0)" })
    }
  }

  @Test("one that says late that it wants to know of the requests' end is told at once") func lateRequestsEnd()
    async throws
  {
    let journal = Journal()
    try await with { channel, _ in
      let (go, start) = AsyncStream<Void>.makeStream()
      let slow = Around { call, next in
        for await _ in go {}
        call.onRequestsEnd { journal.note("end") }
        journal.note("goes on to \(call.authority)")
        try await next()
      }
      let upload = CallInvoker(channel, interceptors: [slow]).clientStreaming(Reflector.collect, options: Self.timely)
      upload.finish()
      start.finish()
      let response = try await upload.response
      #expect(response == [])
      #expect(journal.lines.first == "end" && journal.lines.count == 2)
      #expect(journal.lines.last?.hasPrefix("goes on to 127.0.0.1:") == true)
    }
  }

  @Test("one that answers by itself keeps the call from the server", arguments: Place.allCases) func shortCircuit(
    _ place: Place
  ) async throws {
    let cache = Around { call, _ in
      if call.method.kind == .serverStreaming {
        for number in 7...8 { try call.respond([UInt8(number)]) }
      } else {
        try call.respond([42] as [UInt8])
      }
      call.trailingMetadata = ["x-cache": "hit"]
    }
    try await with(place) { channel, mirror in
      let invoker = CallInvoker(channel, interceptors: [cache])
      let response = try await invoker.unary(Reflector.unary, [1], options: Self.timely)
      #expect(response.message == [42])
      #expect(response.trailingMetadata["x-cache"] == "hit")
      var numbers: [[UInt8]] = []
      for try await number in invoker.serverStreaming(Reflector.count, [9], options: Self.timely) {
        numbers.append(number)
      }
      #expect(numbers == [[7], [8]])
      #expect(mirror.calls.lines == [])
    }
  }

  @Test("outcomes are mapped: what an interceptor throws is the caller's", arguments: Place.allCases) func mapping(
    _ place: Place
  ) async throws {
    struct Mine: Error {}
    let mapped = Around { call, next in
      do { try await next() } catch let error as StatusError where error.code == .notFound {
        throw StatusError(.failedPrecondition, "mapped: \(error.message)")
      }
    }
    try await with(place) { channel, _ in
      let error = await failure {
        _ = try await CallInvoker(channel, interceptors: [mapped]).unary(Reflector.fails, [])
      }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message == "mapped: nothing here")
      let foreign = Around { _, _ in throw Mine() }
      let unknown = await failure {
        _ = try await CallInvoker(channel, interceptors: [foreign]).unary(Reflector.unary, [])
      }
      #expect(unknown?.code == .unknown)
      #expect(unknown?.message == "the interceptor Around has failed: Mine()")
      let cancelled = Around { _, _ in throw CancellationError() }
      let gone = await failure {
        _ = try await CallInvoker(channel, interceptors: [cancelled]).unary(Reflector.unary, [])
      }
      #expect(gone?.code == .cancelled && gone?.message == "the interceptor Around was cancelled")
      let swallowed = Around { _, next in try? await next() }
      let nothing = await failure {
        _ = try await CallInvoker(channel, interceptors: [swallowed]).unary(Reflector.fails, [])
      }
      #expect(nothing?.code == .internal)
      #expect(nothing?.message.contains("without a message") == true)
    }
  }

  @Test(
    "an error of the program's own is a status with the name of the interceptor that threw it, also for those in front of it",
    arguments: Place.allCases)
  func foreignErrors(_ there: Place) async throws {
    struct Surprise: Error {}
    struct Thrower: ClientInterceptor {
      enum Where: CaseIterable { case before, after, request, response }
      let place: Where
      func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
        if place == .before { throw Surprise() }
        if place == .request { call.onRequest { _ in throw Surprise() } }
        if place == .response { call.onResponse { _ in throw Surprise() } }
        try await next()
        throw Surprise()
      }
    }
    let text = "the interceptor Thrower has failed: Surprise()"
    for place in Thrower.Where.allCases {
      let seen = Journal()
      let outer = Around { _, next in
        do {
          try await next()
        } catch {
          seen.note((error as? StatusError)?.message ?? "no StatusError: \(error)")
          throw error
        }
      }
      let thrower = Thrower(place: place).only(services: ["test.Reflector"])
      try await with(there) { channel, _ in
        let invoker = CallInvoker(channel, interceptors: [outer, thrower])
        let error = await failure { _ = try await invoker.unary(Reflector.unary, [1], options: Self.timely) }
        #expect(
          error?.code == .unknown && error?.message.hasPrefix(text) == true, "\(place): \(String(describing: error))")
        #expect(seen.lines.count == 1 && seen.lines[0].hasPrefix(text), "\(place): \(seen.lines)")
      }
    }
    // Around attempts, too.
    var options = ChannelOptions()
    options.attemptInterceptors = [Thrower(place: .before)]
    let server = Server(services: [Reflector()])
    defer { server.shutDown() }
    let name: ListenAddress =
      there == .socket ? .tcp("127.0.0.1", 0) : .inProcess("foreign-\(UInt64.random(in: 0 ... .max))")
    let channel = try Channel(try server.start(listeningOn: name)[0].target, options: options)
    let error = await failure { _ = try await channel.unary(Reflector.unary, [1], options: Self.timely) }
    #expect(error?.message.contains(text) == true)
  }

  @Test("a fault of theirs ends its own call, and names them", arguments: Place.allCases) func faults(_ place: Place)
    async throws
  {
    struct Idle: ClientInterceptor {
      func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {}
    }
    struct Twice: ClientInterceptor {
      func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
        try await next()
        try await next()
      }
    }
    try await with(place) { channel, mirror in
      for (interceptor, words) in [
        (Idle() as any ClientInterceptor, "Idle neither went on nor answered"), (Twice(), "Twice went on twice"),
      ] {
        // Of some methods or of all, they are called by their own names.
        let invoker = CallInvoker(channel, interceptors: [interceptor.only(services: ["test.Reflector"])])
        let error = await failure { _ = try await invoker.unary(Reflector.unary, [1], options: Self.timely) }
        #expect(error?.code == .internal)
        #expect(error?.message.contains(words) == true, "\(String(describing: error))")
        let stream = await failure {
          for try await _ in invoker.serverStreaming(Reflector.count, [1], options: Self.timely) {}
        }
        #expect(stream?.code == .internal)
        #expect(stream?.message.contains(words) == true, "\(String(describing: stream))")
      }
      let plain = try await channel.unary(Reflector.unary, [1], options: Self.timely).message
      #expect(plain == [1])
      #expect(mirror.calls.lines.count { $0 == "Unary" } == 2, "twice once, and the plain call")
    }
  }

  @Test(
    "a deadline ends the call whatever an interceptor is doing, and says which one had it", arguments: Place.allCases)
  func stuck(_ place: Place)
    async throws
  {
    struct Stuck: ClientInterceptor {
      let isBefore: Bool
      func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
        if !isBefore { try await next() }
        // Heeds nothing, not even that its task is cancelled.
        await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
      }
    }
    try await with(place) { channel, _ in
      for isBefore in [true, false] {
        let stuck = Stuck(isBefore: isBefore).only(services: ["test.Reflector"])
        let invoker = CallInvoker(channel, interceptors: [stuck])
        try await givenTime("the interceptor has the call") { time in
          let error = await failure {
            _ = try await invoker.unary(Reflector.unary, [1], options: CallOptions(timeout: time))
          }
          #expect(error?.code == .deadlineExceeded)
          return error?.message.contains("the interceptor Stuck had the call") == true
        }
        try await givenTime("the interceptor has the stream") { time in
          let error = await failure {
            for try await _ in invoker.serverStreaming(Reflector.count, [1], options: CallOptions(timeout: time)) {}
          }
          #expect(error?.code == .deadlineExceeded)
          return error?.message.contains("the interceptor Stuck had the call") == true
        }
      }
    }
  }

  @Test(
    "one that answers after the deadline answers nobody; the caller hears who had the call", arguments: Place.allCases)
  func lateAnswer(_ place: Place) async throws {
    struct Late: ClientInterceptor {
      let journal: Journal
      func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
        for await _ in AsyncStream<Void>.makeStream().stream {}
        do {
          try call.respond([42] as [UInt8])
          journal.note("answered")
        } catch {
          journal.note("refused")
        }
      }
    }
    let journal = Journal()
    try await with(place) { channel, mirror in
      let invoker = CallInvoker(channel, interceptors: [Late(journal: journal)])
      let options = CallOptions(timeout: .milliseconds(100))
      let error = await failure { _ = try await invoker.unary(Reflector.unary, [1], options: options) }
      #expect(error?.code == .deadlineExceeded)
      #expect(error?.message.contains("the interceptor Late had the call") == true, "\(String(describing: error))")
      var answers: [[UInt8]] = []
      let stream = await failure {
        for try await answer in invoker.serverStreaming(Reflector.count, [1], options: options) {
          answers.append(answer)
        }
      }
      #expect(stream?.code == .deadlineExceeded)
      try await eventually("both have come to their answer") { journal.lines.count == 2 }
      #expect(answers == [] && mirror.calls.lines == [])
      let plain = try await channel.unary(Reflector.unary, [1], options: Self.timely).message
      #expect(plain == [1])
    }
  }

  @Test("they set a deadline, or an earlier one", arguments: Place.allCases) func deadlines(_ place: Place) async throws
  {
    let sets = Around { call, next in
      if !call.deadline.isEarlier(than: .seconds(3600)) { call.deadline = .after(.milliseconds(150)) }
      try await next()
    }
    try await with(place) { channel, _ in
      let invoker = CallInvoker(channel, interceptors: [sets])
      let chat = invoker.bidirectional(Reflector.chat)
      let error = await failure { for try await _ in chat {} }
      #expect(error?.code == .deadlineExceeded)
      let defaults = CallInvoker(channel, defaults: CallOptions(timeout: .milliseconds(150)))
      let plain = await failure { for try await _ in defaults.bidirectional(Reflector.chat) {} }
      #expect(plain?.code == .deadlineExceeded)
    }
  }

  @Test("defaults hold where a call says nothing") func defaults() async throws {
    try await with { channel, _ in
      let invoker = CallInvoker(channel, defaults: CallOptions(metadata: ["x-mark": "default"], timeout: .seconds(20)))
      let response = try await invoker.unary(Reflector.unary, [1], options: CallOptions(metadata: ["x-mark": "own"]))
      #expect(response.initialMetadata["x-seen"] == "default,own")
    }
  }

  @Test("only some methods", arguments: Place.allCases) func selection(_ place: Place) async throws {
    let journal = Journal()
    try await with(place) { channel, _ in
      let only = Mark(name: "a", journal: journal).only(methods: [Reflector.unary.descriptor.path])
      let invoker = CallInvoker(channel, interceptors: [only])
      _ = try await invoker.unary(Reflector.unary, [1], options: Self.timely)
      _ = await failure { _ = try await invoker.unary(Reflector.fails, [1], options: Self.timely) }
      #expect(journal.lines == ["a before", "a after"])
    }
  }

  @Test("a caller who cancels ends the interceptors' task too", arguments: Place.allCases) func cancelling(
    _ place: Place
  ) async throws {
    let journal = Journal()
    let waits = Around { call, next in
      try await next()
      journal.note("never")
    }
    try await with(place) { channel, _ in
      let invoker = CallInvoker(channel, interceptors: [waits])
      let chat = invoker.bidirectional(Reflector.chat)
      let reader = Task { for try await _ in chat {} }
      try await chat.send([1])
      chat.cancel()
      let error = await failure { try await reader.value }
      #expect(error?.code == .cancelled)
      #expect(journal.lines == [])
    }
  }

  @Test("around attempts: each has its number, its server and metadata of its own") func attempts() async throws {
    let journal = Journal()
    let attempts = Around { call, next in
      let number = call.attempt ?? 0
      call.metadata["x-mark"] = "\(number)"
      journal.note("\(number) \(call.peer == nil ? "nowhere" : "somewhere")")
      do { try await next() } catch {
        journal.note("\((error as? StatusError)?.code.description ?? "\(error)")")
        throw error
      }
    }
    let server = Server(services: [RetryTests.Flaky(failures: 2)])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    var options = ChannelOptions()
    options.serviceConfig = try ServiceConfig(json: RetryTests.config + "}")
    options.attemptInterceptors = [attempts]
    let channel = try Channel(address.target, options: options)
    let answer = try await channel.unary(RetryTests.Flaky.method, [33], options: Self.timely).message
    #expect(answer == Array("2!".utf8))
    #expect(journal.lines == ["1 somewhere", "UNAVAILABLE", "2 somewhere", "UNAVAILABLE", "3 somewhere"])
  }

  @Test("around attempts: messages are bytes, and an outcome may be made one that is retried") func attemptOutcome()
    async throws
  {
    let turns = Journal()
    let flaky = Around { call, next in
      call.onRequest { message in message.replace(withBytes: try message.bytes() + [1]) }
      call.onResponse { message in message.replace(withBytes: try message.bytes() + [2]) }
      try await next()
      turns.note("\(call.attempt ?? 0)")
      if call.attempt == 1 { throw StatusError(.unavailable, "once more") }
    }
    var options = ChannelOptions()
    options.serviceConfig = try ServiceConfig(json: RetryTests.config + "}")
    options.attemptInterceptors = [flaky]
    try await with(.socket, options) { channel, _ in
      // An answer has begun: the call stays with its attempt, as gRFC A6 wants it.
      let error = await failure { _ = try await channel.unary(Reflector.unary, [0], options: Self.timely) }
      #expect(error?.code == .unavailable)
      #expect(turns.lines == ["1"])
      options.attemptInterceptors = []
    }
    options.attemptInterceptors = [
      Around { call, next in
        call.onRequest { message in message.replace(withBytes: try message.bytes() + [1]) }
        call.onResponse { message in message.replace(withBytes: try message.bytes() + [2]) }
        if call.attempt == 1 { throw StatusError(.unavailable, "not this time") }
        try await next()
      }
    ]
    try await with(.socket, options) { channel, _ in
      let answer = try await channel.unary(Reflector.unary, [0], options: Self.timely).message
      #expect(answer == [0, 1, 2])
    }
  }
}

extension Deadline {
  fileprivate func isEarlier(than time: Duration) -> Bool { timeRemaining.map { $0 < time } ?? false }
}
