import Synchronization
import TestSupport
import Testing
import Volery

/// The ways to a server that a user can choose: the same calls have to behave the same on each.
enum Way: CaseIterable, Sendable {
  case tcp, unix, inProcess

  func listenAddress() -> ListenAddress {
    let name = "volery-\(UInt64.random(in: .min ... .max))"
    return switch self {
    case .tcp: .tcp("127.0.0.1", 0)
    case .unix: .unixAbstract(name)
    case .inProcess: .inProcess(name)
    }
  }
}

extension SocketAddress {
  /// The target of a channel to this address.
  var target: String {
    switch self {
    case .tcp: "ipv4:\(self)"
    case .unix, .unixAbstract, .inProcess: "\(self)"
    }
  }
}

@Suite("Calls", .timeLimit(.minutes(1))) struct EndToEndTests {
  /// Runs `body` with a channel to a server of its own.
  func withChannel(
    _ way: Way, _ service: RawEcho = RawEcho(), _ body: (Channel) async throws -> Void
  ) async throws {
    let server = Server(services: [service])
    let address = try server.start(listeningOn: way.listenAddress())[0]
    defer { server.shutDown() }
    let channel = try Channel(address.target)
    try await body(channel)
  }

  static let timely = CallOptions(timeout: .seconds(20))

  @Test("a unary call brings back what it sent", arguments: Way.allCases) func unary(_ way: Way) async throws {
    try await withChannel(way) { channel in
      let response = try await channel.unary(RawEcho.unary, Array("hello".utf8), options: Self.timely)
      #expect(response.message == Array("hello".utf8))
      #expect(response.peer != nil)
    }
  }

  @Test("messages of every size survive", arguments: Way.allCases, [0, 1, 16_383, 16_384, 65_536, 600_000, 3_000_000])
  func sizes(_ way: Way, _ size: Int) async throws {
    try await withChannel(way) { channel in
      let message = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      let response = try await channel.unary(RawEcho.unary, message, options: Self.timely)
      #expect(response.message == message)
    }
  }

  @Test("a server stream delivers every message in order", arguments: Way.allCases) func serverStreaming(_ way: Way)
    async throws
  {
    try await withChannel(way) { channel in
      var received: [UInt8] = []
      for try await message in channel.serverStreaming(RawEcho.download, [200], options: Self.timely) {
        received.append(message[0])
      }
      #expect(received == (0..<200).map { UInt8($0) })
    }
  }

  @Test("a client stream is counted whole", arguments: Way.allCases) func clientStreaming(_ way: Way) async throws {
    try await withChannel(way) { channel in
      let call = channel.clientStreaming(RawEcho.upload, options: Self.timely)
      for _ in 0..<100 { try await call.send([UInt8](repeating: 1, count: 20_000)) }
      call.finish()
      #expect(try await call.response == Array("2000000".utf8))
    }
  }

  @Test("a bidirectional stream plays ping-pong", arguments: Way.allCases) func bidirectional(_ way: Way) async throws {
    try await withChannel(way) { channel in
      let call = channel.bidirectional(RawEcho.chat, options: Self.timely)
      var iterator = call.makeAsyncIterator()
      for index in 0..<100 {
        try await call.send([UInt8(index)])
        #expect(try await iterator.next() == [UInt8(index)])
      }
      call.finish()
      #expect(try await iterator.next() == nil)
      #expect(await call.status == .ok)
    }
  }

  @Test("a handler's status and trailers reach the caller", arguments: Way.allCases) func failure(_ way: Way)
    async throws
  {
    try await withChannel(way) { channel in
      let text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(RawEcho.fail, Array(text.utf8), options: Self.timely)
      }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message == text)
      #expect(error?.origin == .peer)
      #expect(error?.metadata["reason"] == "asked")
      let server = try await channel.unary(RawEcho.unary, [], options: Self.timely).peer
      #expect(error?.peer == server && server != nil)
    }
  }

  @Test("metadata goes both ways, binary too", arguments: Way.allCases) func metadata(_ way: Way) async throws {
    try await withChannel(way) { channel in
      var options = Self.timely
      options.metadata = ["x-in": "42"]
      options.metadata.append(binary: [0xab, 0, 0xff], for: "x-in-bin")
      let response = try await channel.unary(RawEcho.metadata, [], options: options)
      #expect(response.initialMetadata["x-initial"] == "42")
      #expect(response.trailingMetadata[binary: "x-trailing-bin"] == [0xab, 0, 0xff])
    }
  }

  @Test("answers that are alike and answers that are not come each with what its handler said", arguments: Way.allCases)
  func likeAnswers(_ way: Way) async throws {
    try await withChannel(way) { channel in
      for index in 0..<400 {
        // Runs of the same, changes within them, and changes for good.
        let value = index % 7 == 3 ? "\(index)" : index < 200 ? "one" : "two"
        var options = Self.timely
        options.metadata = ["x-in": value]
        options.metadata.append(binary: Array(value.utf8), for: "x-in-bin")
        let response = try await channel.unary(RawEcho.metadata, [], options: options)
        #expect(response.initialMetadata["x-initial"] == value)
        #expect(response.trailingMetadata[binary: "x-trailing-bin"] == Array(value.utf8))
        if index.isMultiple(of: 5) {
          let plain = try await channel.unary(RawEcho.unary, [7], options: Self.timely)
          #expect(plain.message == [7] && plain.initialMetadata.isEmpty && plain.trailingMetadata.isEmpty)
          let error = await #expect(throws: StatusError.self) {
            try await channel.unary(RawEcho.fail, Array(value.utf8), options: Self.timely)
          }
          #expect(error?.code == .failedPrecondition && error?.metadata["reason"] == "asked")
        }
      }
    }
  }

  @Test("an unknown method and an unknown service are UNIMPLEMENTED", arguments: Way.allCases) func unimplemented(
    _ way: Way
  ) async throws {
    try await withChannel(way) { channel in
      for (service, name) in [("test.Raw", "Nothing"), ("test.Nobody", "Unary")] {
        let method = Method<[UInt8], [UInt8]>(service: service, name: name, kind: .unary)
        let error = await #expect(throws: StatusError.self) {
          try await channel.unary(method, [], options: Self.timely)
        }
        #expect(error?.code == .unimplemented)
      }
    }
  }

  @Test(
    "large messages of a client that streams, where the server takes one, are UNIMPLEMENTED", arguments: Way.allCases)
  func streamToUnary(_ way: Way) async throws {
    try await withChannel(way) { channel in
      let method = Method<[UInt8], [UInt8]>(service: "test.Raw", name: "Unary", kind: .clientStreaming)
      let call = channel.clientStreaming(method, options: Self.timely)
      let error = await #expect(throws: StatusError.self) {
        for _ in 0..<3 { try await call.send([UInt8](repeating: 1, count: 100_000)) }
        _ = try await call.response
      }
      #expect(error?.code == .unimplemented)
    }
  }

  @Test(
    "large messages of a server that streams, where the client takes one, are UNIMPLEMENTED", arguments: Way.allCases)
  func streamFromUnary(_ way: Way) async throws {
    try await withChannel(way) { channel in
      let method = Method<[UInt8], [UInt8]>(service: "test.Raw", name: "Download", kind: .unary)
      let error = await #expect(throws: StatusError.self) {
        _ = try await channel.unary(method, [UInt8](repeating: 5, count: 100_000), options: Self.timely)
      }
      #expect(error?.code == .unimplemented)
    }
  }

  @Test("a deadline ends the call on both sides", arguments: Way.allCases) func deadline(_ way: Way) async throws {
    let (begun, cancelled) = (Counter(), Counter())
    try await withChannel(way, RawEcho(hangBegun: begun.add, hangCancelled: cancelled.add)) { channel in
      try await givenTime("the handler has begun") { time in
        let error = await #expect(throws: StatusError.self) {
          try await channel.unary(RawEcho.hang, [], options: CallOptions(timeout: time))
        }
        #expect(error?.code == .deadlineExceeded)
        return begun.value > 0
      }
      try await eventually("the handler is cancelled") { cancelled.value == begun.value }
    }
  }

  @Test("cancelling the caller's task cancels the handler", arguments: Way.allCases) func cancellation(_ way: Way)
    async throws
  {
    let (begun, cancelled) = (Counter(), Counter())
    try await withChannel(way, RawEcho(hangBegun: begun.add, hangCancelled: cancelled.add)) { channel in
      let task = Task { try await channel.unary(RawEcho.hang, [], options: Self.timely) }
      try await eventually("the handler has begun") { begun.value == 1 }
      task.cancel()
      let error = await #expect(throws: StatusError.self) { try await task.value }
      #expect(error?.code == .cancelled)
      try await eventually("the handler is cancelled") { cancelled.value == 1 }
    }
  }

  @Test("nobody there: the error names the target, the address and the cause") func refused() async throws {
    let channel = try Channel("ipv4:127.0.0.1:1")
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [], options: Self.timely)
    }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("127.0.0.1:1") == true)
    #expect(error?.message.contains("connection refused") == true)
  }

  @Test("many calls at once come back each with its own answer", arguments: Way.allCases) func concurrent(_ way: Way)
    async throws
  {
    try await withChannel(way) { channel in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for index in 0..<2000 {
          group.addTask {
            let message = Array("\(index)".utf8)
            return try await channel.unary(RawEcho.unary, message, options: Self.timely).message == message
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
    }
  }

  @Test("a message over the limit is refused, and the connection lives on", arguments: Way.allCases) func messageLimit(
    _ way: Way
  ) async throws {
    try await withChannel(way) { channel in
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(RawEcho.unary, [UInt8](repeating: 0, count: 5 << 20), options: Self.timely)
      }
      #expect(error?.code == .resourceExhausted)
      _ = try await channel.unary(RawEcho.unary, [1], options: Self.timely)
    }
  }

  @Test("a reader that stops reading stops the writer", arguments: Way.allCases) func backPressure(_ way: Way)
    async throws
  {
    try await withChannel(way) { channel in
      let call = channel.bidirectional(RawEcho.chat, options: Self.timely)
      // The handler echoes, nobody reads: windows and queues on both sides fill, and then the writer has to wait.
      let sent = Counter()
      let writer = Task {
        for _ in 0..<2000 {
          try await call.send([UInt8](repeating: 1, count: 16 << 10))
          sent.add()
        }
        call.finish()
      }
      // Whoever may go on writes more while fifty other calls come and go.
      var last = -1
      while sent.value != last {
        last = sent.value
        for _ in 0..<50 { _ = try await channel.unary(RawEcho.unary, [1], options: Self.timely) }
      }
      #expect(last < 1000, "\(last) messages of 16 KiB were taken without a reader")
      var received = 0
      for try await message in call { received += message.count }
      try await writer.value
      #expect(received == 2000 * 16 << 10)
    }
  }

  /// Tells the deadline that it was called with.
  struct Inner: Service {
    static let method = Method<[UInt8], [UInt8]>(service: "test.Inner", name: "Deadline", kind: .unary)
    let seen: AsyncStream<Deadline>.Continuation

    var handlers: [MethodHandler] {
      [
        .unary(Inner.method) { request, context in
          seen.yield(context.deadline)
          return request
        }
      ]
    }
  }

  /// Calls the inner service, with its own deadline or without one.
  struct Outer: Service {
    static let method = Method<[UInt8], [UInt8]>(service: "test.Outer", name: "Call", kind: .unary)
    let inner: Channel
    let inherits: Bool

    var handlers: [MethodHandler] {
      [
        .unary(Outer.method) { request, _ in
          var options = CallOptions()
          options.inheritsDeadline = inherits
          return try await inner.unary(Inner.method, request, options: options).message
        }
      ]
    }
  }

  @Test(
    "a call that a handler makes inherits the handler's deadline, unless it does not want to", arguments: Way.allCases,
    [true, false])
  func inheritance(_ way: Way, _ inherits: Bool) async throws {
    let (deadlines, seen) = AsyncStream.makeStream(of: Deadline.self)
    let inner = Server(services: [Inner(seen: seen)])
    defer { inner.shutDown() }
    let innerAddress = try inner.start(listeningOn: way.listenAddress())[0]
    let outer = Server(services: [Outer(inner: try Channel(innerAddress.target), inherits: inherits)])
    defer { outer.shutDown() }
    let channel = try Channel(try outer.start(listeningOn: way.listenAddress())[0].target)
    #expect(try await channel.unary(Outer.method, [7], options: CallOptions(timeout: .seconds(20))).message == [7])
    #expect(try await channel.unary(Outer.method, [8]).message == [8])
    var iterator = deadlines.makeAsyncIterator()
    let (withOne, without) = (await iterator.next(), await iterator.next())
    #expect(without == Deadline.none)
    if inherits {
      #expect(withOne.map { $0 <= .after(.seconds(20)) } == true)
    } else {
      #expect(withOne == Deadline.none)
    }
  }

  @Test("a handler's call that hangs ends at the handler's deadline") func inheritedEnd() async throws {
    let hanging = Server(services: [RawEcho()])
    defer { hanging.shutDown() }
    let inner = try Channel(try hanging.start(listeningOn: Way.tcp.listenAddress())[0].target)
    let begun = Counter()
    let ends = Mutex<[StatusCode]>([])
    let relay = Method<[UInt8], [UInt8]>(service: "test.Relay", name: "Relay", kind: .unary)
    let handler = MethodHandler.unary(relay) { request, _ in
      begun.add()
      // Not a child of the handler's task: cancelling that one does not end this call, its deadline has to.
      let call = Task { try await inner.unary(RawEcho.hang, request).message }
      do { return try await call.value } catch {
        ends.withLock { $0.append((error as? StatusError)?.code ?? .unknown) }
        throw error
      }
    }
    struct Relay: Service { let handlers: [MethodHandler] }
    let server = Server(services: [Relay(handlers: [handler])])
    defer { server.shutDown() }
    let channel = try Channel(try server.start(listeningOn: Way.tcp.listenAddress())[0].target)
    try await givenTime("the handler has begun") { time in
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(relay, [1], options: CallOptions(timeout: time))
      }
      #expect(error?.code == .deadlineExceeded)
      return begun.value > 0
    }
    try await eventually("the handler's call has ended") { !ends.withLock { $0.isEmpty } }
    #expect(ends.withLock { Set($0) } == [.deadlineExceeded])
  }

  /// Why a new channel can't call there.
  private func whyRefused(_ address: SocketAddress) async throws -> String {
    let newcomer = try Channel(address.target)
    let error = await #expect(throws: StatusError.self) {
      try await newcomer.unary(RawEcho.unary, [1], options: Self.timely)
    }
    #expect(error?.code == .unavailable)
    return error?.message ?? ""
  }

  /// Who comes while it drains is not refused but told, by the same goodbye as everybody, to go elsewhere.
  @Test("a server that is drained finishes its calls and refuses nobody", arguments: Way.allCases)
  func drain(_ way: Way) async throws {
    let server = Server(services: [RawEcho()])
    let address = try server.start(listeningOn: way.listenAddress())[0]
    let channel = try Channel(address.target)
    let call = channel.bidirectional(RawEcho.chat, options: Self.timely)
    var iterator = call.makeAsyncIterator()
    try await call.send([1])
    #expect(try await iterator.next() == [1])
    let drained = Task { await server.drain(limit: .seconds(20)) }
    // It has heard the goodbye: that is when the server drains for certain.
    #expect(await channel.waitForStateChange(from: .ready) != .ready)
    for _ in 0..<10 {
      let reason = try await whyRefused(address)
      #expect(reason.contains(way == .inProcess ? "the server is stopping" : "GOAWAY NO_ERROR"), "\(reason)")
    }
    try await call.send([2])
    #expect(try await iterator.next() == [2])
    call.finish()
    #expect(try await iterator.next() == nil)
    await drained.value
    let reason = try await whyRefused(address)
    let gone = way == .inProcess ? "no server of this process" : "connection refused"
    #expect(reason.contains(gone), "\(reason)")
  }
}

private final class Counter: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }
  func add() { count.withLock { $0 += 1 } }
}
