import Synchronization
import TestSupport
import Testing
import Volery
import VoleryClient

@Suite("Call credentials", .timeLimit(.minutes(1))) struct CallCredentialsTests {
  /// Gives what it was made with, and counts.
  final class Fixed: CallCredentials {
    let metadata: Metadata
    let requests = Mutex<[CallCredentialsRequest]>([])

    init(_ metadata: Metadata) { self.metadata = metadata }

    func metadata(for call: CallCredentialsRequest) async throws -> Metadata {
      requests.withLock { $0.append(call) }
      await Task.yield()
      return metadata
    }
  }

  struct Failing: CallCredentials {
    let error: any Error
    func metadata(for call: CallCredentialsRequest) async throws -> Metadata { throw error }
  }

  static func sent(_ channel: Channel, _ options: CallOptions = Channel.limit) async throws -> String {
    String(decoding: try await channel.unary(TLSEcho.metadata, [], options: options).message, as: UTF8.self)
  }

  @Test("a channel's and a call's credentials are sent, the channel's first") func both() async throws {
    let own = Fixed(["authorization": "Bearer channel"])
    let call = Fixed(["x-key": "call"])
    try await TLSStage.with(Certificates.server("server")) { stage in
      let channel = try stage.channel(.tls(roots: Certificates.roots).with(own))
      var options = Channel.limit
      options.credentials = call
      options.metadata = ["x-key": "metadata"]
      #expect(try await Self.sent(channel, options) == "Bearer channel\nmetadata\ncall\n")
      #expect(try await Self.sent(channel) == "Bearer channel\n")
      let request = try #require(own.requests.withLock { $0.first })
      #expect(request.method.path == "/test.TLS/Metadata")
      #expect(request.audience == "https://localhost:\(stage.port)/test.TLS")
      #expect(request.peer.identity?.commonName == "server")
    }
  }

  /// Never gives anything, and counts who asks for it.
  final class Endless: CallCredentials {
    let running = Mutex(0)

    func metadata(for call: CallCredentialsRequest) async throws -> Metadata {
      running.withLock { $0 += 1 }
      defer { running.withLock { $0 -= 1 } }
      try await Task.sleep(for: .seconds(3600))
      return [:]
    }
  }

  @Test("a call that ends leaves no task behind that still gets its credentials", arguments: [true, false])
  func endOfCall(_ isCancelled: Bool) async throws {
    let credentials = Endless()
    try await TLSStage.with(Certificates.server("server")) { stage in
      let channel = try stage.channel(.tls(roots: Certificates.roots).with(credentials))
      var options = Channel.limit
      if !isCancelled { options.timeout = .milliseconds(300) }
      let calls = (0..<20).map { _ in Task { [options] in await failure { _ = try await Self.sent(channel, options) } }
      }
      if isCancelled {
        try await eventually("all calls wait for their credentials") { credentials.running.withLock { $0 } == 20 }
        for call in calls { call.cancel() }
      }
      for call in calls {
        let error = await call.value
        #expect(error.hasPrefix(isCancelled ? "CANCELLED" : "DEADLINE_EXCEEDED"), "\(error)")
      }
      try await eventually("nobody gets credentials any more", within: .seconds(10)) {
        credentials.running.withLock { $0 } == 0
      }
    }
  }

  @Test("who waits for a token waits no longer than the call") func cancelledWait() async throws {
    let release = AsyncStream.makeStream(of: Void.self)
    let token = BearerToken {
      for await _ in release.stream { break }
      return BearerToken.Token("late")
    }
    let request = CallCredentialsRequest(
      method: TLSEcho.metadata.descriptor, authority: "test", peer: Peer(address: .tcp("127.0.0.1", 1)))
    let waiting = (0..<20).map { _ in Task { try await token.metadata(for: request) } }
    try await eventually("all of them wait") { await token.waiters.count == waiting.count }
    for task in waiting { task.cancel() }
    for task in waiting { await #expect(throws: CancellationError.self) { try await task.value } }
    let other = Task { try await token.metadata(for: request) }
    release.continuation.yield()
    #expect(try await other.value["authorization"] == "Bearer late", "what was begun is of use to others")
  }

  @Test("streams send them too") func streams() async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let channel = try stage.channel(.tls(roots: Certificates.roots).with(Fixed(["x-key": "stream"])))
      let call = channel.bidirectional(TLSEcho.chat, options: Channel.limit)
      for index in 0..<20 { try await call.send([UInt8(index)]) }
      call.finish()
      var received: [UInt8] = []
      for try await message in call { received += message }
      #expect(received == Array(0..<20))
    }
  }

  @Test("nothing is sent in plaintext, and the error says what to do") func plaintext() async throws {
    let credentials = Fixed(["authorization": "Bearer secret"])
    try await TLSStage.with(.plaintext) { stage in
      let channel = try stage.channel(.plaintext.with(credentials))
      let error = await failure { _ = try await Self.sent(channel) }
      #expect(error.hasPrefix("UNAUTHENTICATED") && error.contains("plaintext") && error.contains("TLS"), "\(error)")
      var options = Channel.limit
      options.credentials = credentials
      let open = try stage.channel(.plaintext)
      let other = await failure { _ = try await Self.sent(open, options) }
      #expect(other.hasPrefix("UNAUTHENTICATED"), "\(other)")
      #expect(credentials.requests.withLock { $0.isEmpty }, "the credentials are not even asked")
    }
  }

  @Test("they may be sent to a server on this machine, which nobody can listen in on") func local() async throws {
    let server = Server(services: [TLSEcho()])
    defer { server.shutDown() }
    try server.start(listeningOn: .inProcess("call-credentials"))
    let channel = try Channel("in-process:call-credentials", credentials: .plaintext.with(Fixed(["x-key": "here"])))
    #expect(try await Self.sent(channel) == "here\n")
  }

  struct Refused: Error, CustomStringConvertible { let description = "the token server is on fire" }

  static let failures: [(any Error & Sendable, String)] = [
    (Refused(), "UNAUTHENTICATED: no call credentials: the token server is on fire"),
    (StatusError(.unavailable, "try later"), "UNAVAILABLE: no call credentials: try later"),
    (StatusError(.permissionDenied, "not you"), "PERMISSION_DENIED"),
    (StatusError(.notFound, "what"), "INTERNAL: call credentials failed with NOT_FOUND"),
  ]

  @Test("what credentials throw is how the call ends") func errors() async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      for (error, text) in Self.failures {
        let channel = try stage.channel(.tls(roots: Certificates.roots).with(Failing(error: error)))
        let message = await failure { _ = try await Self.sent(channel) }
        #expect(message.hasPrefix(text), "\(message)")
      }
    }
  }

  @Test("the deadline holds while credentials are waited for") func deadline() async throws {
    struct Endless: CallCredentials {
      func metadata(for call: CallCredentialsRequest) async throws -> Metadata {
        try await Task.sleep(for: .seconds(60))
        return Metadata()
      }
    }
    try await TLSStage.with(Certificates.server("server")) { stage in
      let channel = try stage.channel(.tls(roots: Certificates.roots).with(Endless()))
      let error = await failure { _ = try await Self.sent(channel, CallOptions(timeout: .milliseconds(200))) }
      #expect(error.hasPrefix("DEADLINE_EXCEEDED"), "\(error)")
    }
  }

  // MARK: Bearer tokens

  final class TokenServer: Sendable {
    let count = Atomic<Int>(0)
    let time = Mutex(ContinuousClock.now)
    let isDown = Atomic<Bool>(false)

    func token() throws -> BearerToken.Token {
      let number = count.add(1, ordering: .relaxed).newValue
      if isDown.load(ordering: .relaxed) { throw StatusError(.unavailable, "down") }
      return BearerToken.Token("token\(number)", validFor: .seconds(100))
    }

    func credentials() -> BearerToken {
      BearerToken(earlyRenewal: .seconds(20), now: { self.time.withLock { $0 } }) {
        await Task.yield()
        return try self.token()
      }
    }

    func advance(_ duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
  }

  static let request = CallCredentialsRequest(
    method: TLSEcho.metadata.descriptor, authority: "localhost", peer: Peer(address: .inProcess("x")))

  static func value(_ token: BearerToken) async throws -> String? {
    try await token.metadata(for: request)["authorization"]
  }

  @Test("a token is got once for all who wait for it, and kept") func once() async throws {
    let server = TokenServer()
    let token = server.credentials()
    let values = try await withThrowingTaskGroup(of: String?.self) { group in
      for _ in 0..<50 { group.addTask { try await Self.value(token) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(values) == ["Bearer token1"])
    server.advance(.seconds(79))
    #expect(try await Self.value(token) == "Bearer token1")
    #expect(server.count.load(ordering: .relaxed) == 1)
  }

  @Test("a token is renewed before it expires while calls go on with the old one") func renewal() async throws {
    let server = TokenServer()
    let token = server.credentials()
    #expect(try await Self.value(token) == "Bearer token1")
    server.advance(.seconds(85))
    #expect(try await Self.value(token) == "Bearer token1")
    try await eventually("the new one is there") { try await Self.value(token) == "Bearer token2" }
    server.advance(.seconds(101))
    #expect(try await Self.value(token) == "Bearer token3", "an expired token is never sent")
  }

  @Test("a token server that is down is asked again after a pause, not by every call") func pause() async throws {
    let server = TokenServer()
    let token = server.credentials()
    server.isDown.store(true, ordering: .relaxed)
    for _ in 0..<20 { await #expect(throws: StatusError.self) { try await Self.value(token) } }
    #expect(server.count.load(ordering: .relaxed) == 1)
    server.advance(.seconds(2))
    await #expect(throws: StatusError.self) { try await Self.value(token) }
    #expect(server.count.load(ordering: .relaxed) == 2)
    server.isDown.store(false, ordering: .relaxed)
    server.advance(.seconds(3))
    #expect(try await Self.value(token) == "Bearer token3")
  }
}
