import Testing
import Volery

@Suite("Calls over loopback sockets", .timeLimit(.minutes(1))) struct EndToEndTests {
  /// Runs `body` with a channel to a server of its own.
  func withChannel(
    _ service: RawEcho = RawEcho(), _ body: (Channel) async throws -> Void
  ) async throws {
    let server = Server(services: [service])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let channel = try Channel("ipv4:\(address)")
    try await body(channel)
  }

  static let timely = CallOptions(timeout: .seconds(20))

  @Test("a unary call brings back what it sent") func unary() async throws {
    try await withChannel { channel in
      let response = try await channel.unary(RawEcho.unary, Array("hello".utf8), options: Self.timely)
      #expect(response.message == Array("hello".utf8))
      #expect(response.peer != nil)
    }
  }

  @Test("messages of every size survive", arguments: [0, 1, 16_383, 16_384, 65_536, 600_000, 3_000_000])
  func sizes(_ size: Int) async throws {
    try await withChannel { channel in
      let message = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      let response = try await channel.unary(RawEcho.unary, message, options: Self.timely)
      #expect(response.message == message)
    }
  }

  @Test("a server stream delivers every message in order") func serverStreaming() async throws {
    try await withChannel { channel in
      var received: [UInt8] = []
      for try await message in channel.serverStreaming(RawEcho.download, [200], options: Self.timely) {
        received.append(message[0])
      }
      #expect(received == (0..<200).map { UInt8($0) })
    }
  }

  @Test("a client stream is counted whole") func clientStreaming() async throws {
    try await withChannel { channel in
      let call = channel.clientStreaming(RawEcho.upload, options: Self.timely)
      for _ in 0..<100 { try await call.send([UInt8](repeating: 1, count: 20_000)) }
      call.finish()
      #expect(try await call.response == Array("2000000".utf8))
    }
  }

  @Test("a bidirectional stream plays ping-pong") func bidirectional() async throws {
    try await withChannel { channel in
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

  @Test("a handler's status and trailers reach the caller") func failure() async throws {
    try await withChannel { channel in
      let text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(RawEcho.fail, Array(text.utf8), options: Self.timely)
      }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message == text)
      #expect(error?.origin == .peer)
      #expect(error?.metadata["reason"] == "asked")
    }
  }

  @Test("metadata goes both ways, binary too") func metadata() async throws {
    try await withChannel { channel in
      var options = Self.timely
      options.metadata = ["x-in": "42"]
      options.metadata.append(binary: [0xab, 0, 0xff], for: "x-in-bin")
      let response = try await channel.unary(RawEcho.metadata, [], options: options)
      #expect(response.initialMetadata["x-initial"] == "42")
      #expect(response.trailingMetadata[binary: "x-trailing-bin"] == [0xab, 0, 0xff])
    }
  }

  @Test("an unknown method and an unknown service are UNIMPLEMENTED") func unimplemented() async throws {
    try await withChannel { channel in
      for (service, name) in [("test.Raw", "Nothing"), ("test.Nobody", "Unary")] {
        let method = Method<[UInt8], [UInt8]>(service: service, name: name, kind: .unary)
        let error = await #expect(throws: StatusError.self) {
          try await channel.unary(method, [], options: Self.timely)
        }
        #expect(error?.code == .unimplemented)
      }
    }
  }

  @Test("a deadline ends the call on both sides") func deadline() async throws {
    let cancelled = AsyncStream.makeStream(of: Void.self)
    try await withChannel(RawEcho(hangCancelled: { cancelled.continuation.yield() })) { channel in
      _ = try await channel.unary(RawEcho.unary, [], options: Self.timely)
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(RawEcho.hang, [], options: CallOptions(timeout: .milliseconds(500)))
      }
      #expect(error?.code == .deadlineExceeded)
      var iterator = cancelled.stream.makeAsyncIterator()
      await iterator.next()
    }
  }

  @Test("cancelling the caller's task cancels the handler") func cancellation() async throws {
    let cancelled = AsyncStream.makeStream(of: Void.self)
    try await withChannel(RawEcho(hangCancelled: { cancelled.continuation.yield() })) { channel in
      let task = Task { try await channel.unary(RawEcho.hang, [], options: Self.timely) }
      _ = try await channel.unary(RawEcho.unary, [], options: Self.timely)
      task.cancel()
      let error = await #expect(throws: StatusError.self) { try await task.value }
      #expect(error?.code == .cancelled)
      var iterator = cancelled.stream.makeAsyncIterator()
      await iterator.next()
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

  @Test("many calls at once come back each with its own answer") func concurrent() async throws {
    try await withChannel { channel in
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

  @Test("a message over the limit is refused, and the connection lives on") func messageLimit() async throws {
    try await withChannel { channel in
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(RawEcho.unary, [UInt8](repeating: 0, count: 5 << 20), options: Self.timely)
      }
      #expect(error?.code == .resourceExhausted)
      _ = try await channel.unary(RawEcho.unary, [1], options: Self.timely)
    }
  }
}
