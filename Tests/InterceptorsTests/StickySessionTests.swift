import TestSupport
import Testing
import Volery
import VoleryInterceptors

/// The policy `sticky_session` with both interceptors, over real connections.
@Suite("Sessions keep their server (gRFC A55)", .timeLimit(.minutes(1))) struct StickySessionTests {
  /// Three servers, each of which answers with its own address.
  private struct Stage {
    let servers: [Server]
    let addresses: [SocketAddress]
    let channel: Channel

    init(_ interceptors: [any ClientInterceptor] = []) throws {
      servers = (0..<3).map { _ in
        Server(services: [Desk { context in context.peer.localAddress.map { "\($0)" } ?? "-" }])
      }
      addresses = try servers.map { try $0.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0] }
      var options = ChannelOptions()
      options.interceptors = interceptors
      options.serviceConfig = try ServiceConfig(
        json: #"{"loadBalancingConfig": [{"sticky_session": {"childPolicy": [{"round_robin": {}}]}}]}"#)
      channel = try Channel("static:///\(addresses.map { "\($0)" }.joined(separator: ","))", options: options)
    }

    func shutDown() { for server in servers { server.shutDown() } }

    /// The servers of so many calls, by the interceptors of a client of its own.
    func used(_ calls: Int = 12, _ interceptors: any ClientInterceptor...) async throws -> Set<String> {
      let invoker = CallInvoker(channel, interceptors: interceptors)
      var used: Set<String> = []
      for _ in 0..<calls {
        let answer = try await invoker.unary(Desk.ask, [], options: StickySessionTests.timely).message
        used.insert(String(decoding: answer, as: UTF8.self))
      }
      return used
    }

    /// All three are connected.
    func waitUntilReady() async throws {
      try await eventually("all are called") { try await used(6).count == 3 }
    }
  }

  private static let timely = CallOptions(timeout: .seconds(20), waitForReady: true)

  @Test("a session's calls of every kind go to one server; others are spread") func oneServer() async throws {
    let stage = try Stage()
    defer { stage.shutDown() }
    try await stage.waitUntilReady()
    let sessions = (0..<3).map { _ in StickySession() }
    var homes: Set<String> = []
    for session in sessions {
      let used = try await stage.used(12, session)
      #expect(used.count == 1)
      homes.formUnion(used)
      // Again, after the others' calls.
      #expect(try await stage.used(3).count == 3)
      #expect(try await stage.used(12, session) == used)
    }
    #expect(homes.count > 1, "round_robin chooses for each")
  }

  @Test("streams of a session go there, too") func streams() async throws {
    let session = StickySession()
    let stage = try Stage([session])
    defer { stage.shutDown() }
    // The first one says where the others go.
    let outcomes = await stage.channel.callDesk(Self.timely) + (await stage.channel.callDesk(Self.timely))
    #expect(outcomes.count == 8 && outcomes.allSatisfy { $0 == outcomes[0] }, "\(outcomes)")
  }

  @Test("a server that is gone loses its sessions, each to one other") func moved() async throws {
    let stage = try Stage()
    defer { stage.shutDown() }
    try await stage.waitUntilReady()
    let session = StickySession()
    let home = try #require(try await stage.used(6, session).first)
    let index = try #require(stage.addresses.firstIndex { "\($0)" == home })
    await stage.servers[index].drain()
    let others = try await stage.used(12, session)
    #expect(others.count == 1 && others != [home], "the first call has moved it")
  }

  @Test("a response has a set-cookie where its server is another one than the call's cookie says, and only there")
  func cookies() async throws {
    let stage = try Stage([SessionCookies(maxAge: .seconds(60))])
    defer { stage.shutDown() }
    try await stage.waitUntilReady()
    func call(_ cookie: String?) async throws -> (server: String, answer: String?) {
      var options = Self.timely
      if let cookie { options.metadata["cookie"] = cookie }
      let response = try await stage.channel.unary(Desk.ask, [], options: options)
      return (String(decoding: response.message, as: UTF8.self), response.initialMetadata["set-cookie"])
    }
    let first = try await call(nil)
    let answer = try #require(first.answer)
    #expect(answer.hasPrefix("session=") && answer.hasSuffix("; Path=/; Max-Age=60; HttpOnly"))
    let cookie = String(answer.prefix { $0 != ";" })
    for _ in 0..<6 {
      let next = try await call("theme=dark; \(cookie); lang=de")
      #expect(next.server == first.server && next.answer == nil)
    }
    for wrong in ["session=bm93aGVyZQ==", "session=", "session", ";;=", "session=\"\"", "session=%%%"] {
      let other = try await call(wrong)
      #expect(other.answer?.hasPrefix("session=") == true, "\(wrong) is no server: any, and the answer says which")
    }
  }

  /// Answers at once, and goes on until its client has finished; or fails.
  private struct Room: Service {
    static let stay = Method<[UInt8], [UInt8]>(service: "test.Room", name: "Stay", kind: .bidirectional)
    static let fail = Method<[UInt8], [UInt8]>(service: "test.Room", name: "Fail", kind: .unary)

    var handlers: [MethodHandler] {
      [
        .bidirectional(Room.stay) { requests, responses, _ in
          for try await request in requests { try await responses.write(request) }
        },
        .unary(Room.fail) { _, _ in throw StatusError(.notFound, "nobody is here") },
      ]
    }
  }

  @Test("a stream has its set-cookie with the initial metadata, long before its end; a bare status has it beside it")
  func atOnce() async throws {
    let server = Server(services: [Room()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    var options = ChannelOptions()
    options.interceptors = [SessionCookies()]
    options.serviceConfig = try ServiceConfig(json: #"{"loadBalancingConfig": [{"sticky_session": {}}]}"#)
    let channel = try Channel("static:///\(address)", options: options)
    let stream = channel.bidirectional(Room.stay, options: Self.timely)
    try await stream.send([1])
    let cookie = try #require(try await stream.initialMetadata["set-cookie"])
    #expect(cookie.hasPrefix("session="))
    var own = Self.timely
    own.metadata["cookie"] = String(cookie.prefix { $0 != ";" })
    let second = channel.bidirectional(Room.stay, options: own)
    try await second.send([1])
    #expect(try await second.initialMetadata["set-cookie"] == nil)
    stream.finish()
    second.finish()
    #expect(await stream.status.code == .ok)
    #expect(await second.status.code == .ok)
    let cases: [(CallOptions, String?)] = [(Self.timely, cookie), (own, nil)]
    for (options, set) in cases {
      let error = await #expect(throws: StatusError.self) { try await channel.unary(Room.fail, [], options: options) }
      #expect(error?.code == .notFound && error?.metadata["set-cookie"] == set)
    }
  }
}
