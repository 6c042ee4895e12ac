import Synchronization
import TestSupport
import Testing
import Volery
import VoleryProxy

/// How calls end that a proxy forwards: frame by frame, with scripted ends on both sides.
@Suite("How forwarded calls end", .timeLimit(.minutes(1))) struct EndTests {
  /// What a client sees of a call whose server does this.
  private func client(
    of script: ScriptedServer.Script, fields: [(String, String)] = [], then: [ScriptedFrame] = [],
    until isThere: @escaping @Sendable (ScriptedPeer) -> Bool = { $0.hasEnded(1) }
  ) async throws -> ScriptedPeer {
    let server = try ScriptedServer(script)
    defer { server.stop() }
    let stage = try Stage(to: server.target)
    let peer = try await blocking {
      let peer = try ScriptedPeer.client(of: stage.scriptedAddress)
      peer.say(.headers(1, ScriptedPeer.request + fields), .data(1, ScriptedPeer.emptyMessage, ends: true))
      try peer.listen("end of the call", until: isThere)
      return peer
    }
    await stage.proxy.drain(limit: .zero)
    return peer
  }

  private static let headers = [(":status", "200"), ("content-type", "application/grpc")]

  @Test("a Trailers-Only answer stays one, its trailers as they are") func trailersOnly() async throws {
    let large = String(repeating: "x", count: 8000)
    let peer = try await client(
      of: .init {
        [.headers($0, Self.headers + [("grpc-status", "5"), ("grpc-message", "none"), ("x-large", large)], ends: true)]
      })
    #expect(peer.blocks.count { $0.stream == 1 } == 1)
    #expect(peer.field("grpc-status", of: 1) == "5")
    #expect(peer.field("grpc-message", of: 1) == "none")
    #expect(peer.field("x-large", of: 1) == large)
    #expect(peer.dataCount(of: 1) == 0)
  }

  @Test("response headers come at once, before any message") func headersAtOnce() async throws {
    let peer = try await client(
      of: .init { [.headers($0, Self.headers + [("x-early", "1")])] }, until: { $0.field("x-early", of: 1) != nil })
    #expect(!peer.hasEnded(1))
  }

  @Test("a server's reset comes to the client with the same code", arguments: [2, 7, 8, 11] as [UInt32])
  func serverResets(_ code: UInt32) async throws {
    let peer = try await client(
      of: .init { [.headers($0, Self.headers), .data($0, ScriptedPeer.emptyMessage), .reset($0, code)] })
    #expect(peer.reset(of: 1) == code)
    #expect(peer.field("grpc-status", of: 1) == nil)
  }

  @Test("half an answer never looks whole", arguments: [ScriptedServer.Answer.noTrailers, .noStatus, .closed])
  func halfAnAnswer(_ answer: ScriptedServer.Answer) async throws {
    let peer = try await client(of: .init(answer: answer))
    let status = peer.field("grpc-status", of: 1)
    #expect(status != nil && status != "0")
  }

  @Test("a server that is not gRPC is a failure of the call") func notGRPC() async throws {
    let peer = try await client(of: .init(answer: .badGateway))
    #expect(peer.field("grpc-status", of: 1) == "14")
  }

  @Test("a client's reset comes to the server with the same code", arguments: [8, 2] as [UInt32])
  func clientResets(_ code: UInt32) async throws {
    let listener = try ScriptedListener()
    let stage = try Stage(to: "127.0.0.1:\(listener.port)") { $0.eventLoops = 1 }
    let heard = try await blocking {
      let client = try ScriptedPeer.client(of: stage.scriptedAddress)
      client.say(.headers(1, ScriptedPeer.request), .data(1, ScriptedPeer.emptyMessage))
      let server = try listener.accept()
      try server.listen("the call") { $0.heard.contains { $0.kind == .data } }
      client.say(.reset(1, code))
      try server.listen("the reset") { $0.heard.contains { $0.kind == .reset } }
      return server.heard.first { $0.kind == .reset }?.errorCode
    }
    #expect(heard == code)
    await stage.proxy.drain(limit: .zero)
  }

  @Test("a client that is gone ends its calls at the server") func clientGone() async throws {
    let listener = try ScriptedListener()
    let stage = try Stage(to: "127.0.0.1:\(listener.port)") { $0.eventLoops = 1 }
    let heard = try await blocking {
      var client: ScriptedPeer? = try ScriptedPeer.client(of: stage.scriptedAddress)
      client?.say(.headers(1, ScriptedPeer.request), .data(1, ScriptedPeer.emptyMessage))
      let server = try listener.accept()
      try server.listen("the call") { $0.heard.contains { $0.kind == .data } }
      client = nil
      try server.listen("the reset") { $0.heard.contains { $0.kind == .reset } }
      return server.heard.first { $0.kind == .reset }?.errorCode
    }
    #expect(heard == 8)
    await stage.proxy.drain(limit: .zero)
  }

  @Test("a deadline goes on with what is left of it, and holds at the proxy too") func deadline() async throws {
    let listener = try ScriptedListener()
    let stage = try Stage(to: "127.0.0.1:\(listener.port)") { $0.eventLoops = 1 }
    let (timeout, status, reset, te) = try await blocking {
      // First: the time is for the call alone.
      let server = try listener.accept()
      let client = try ScriptedPeer.client(of: stage.scriptedAddress)
      client.say(.headers(1, ScriptedPeer.request + [("grpc-timeout", "900m")]), .data(1, ScriptedPeer.emptyMessage))
      try server.listen("the end of the call") { $0.heard.contains { $0.kind == .reset } }
      try client.listen("the end of the call") { $0.hasEnded(1) }
      let stream = server.blocks[0].stream
      return (
        server.field("grpc-timeout", of: stream), client.field("grpc-status", of: 1),
        server.heard.first { $0.kind == .reset }?.errorCode, server.field("te", of: stream)
      )
    }
    let left = timeout.flatMap { text in Int(text.dropLast()).map { (text.last, $0) } }
    switch left {
    case ("m", let count)?: #expect(count < 900)
    case ("u", let count)?: #expect(count < 900_000)
    default: Issue.record("grpc-timeout is \(timeout ?? "not there")")
    }
    #expect(status == "4")
    #expect(reset == 8)
    #expect(te == "trailers")
    await stage.proxy.drain(limit: .zero)
  }

  @Test("without a server that can be reached calls fail with UNAVAILABLE") func unreachable() async throws {
    let listener = try ScriptedListener()
    let port = listener.port
    listener.stop()
    let stage = try Stage(to: "127.0.0.1:\(port)")
    let channel = try Channel(stage.target)
    let error = await #expect(throws: StatusError.self) { _ = try await channel.unary(Echo.unary, [1]) }
    #expect(error?.code == .unavailable)
    #expect(error?.origin == .peer)
    await stage.proxy.drain(limit: .zero)
  }

  @Test("what a server has not taken goes to another one, with its bytes") func elsewhere() async throws {
    let refusing = try ScriptedServer(.init(refusesEverything: true))
    defer { refusing.stop() }
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let stage = try Stage(to: "static:///127.0.0.1:\(refusing.port),\(bound)")
    let channel = try Channel(stage.target)
    for index in 0..<100 {
      let message = [UInt8](repeating: UInt8(index), count: 1000)
      #expect(try await channel.unary(Echo.unary, message).message == message)
    }
    await stage.proxy.drain(limit: .zero)
  }

  @Test("a proxy whose target leads back to itself refuses the call after some hops") func loop() async throws {
    // A port that is free: the proxy has to know it before it listens there.
    let finder = Server(services: [])
    guard case .tcp(_, let port) = try finder.start(listeningOn: .tcp("127.0.0.1", 0))[0] else { return }
    finder.shutDown()
    let proxy = try Proxy(to: "127.0.0.1:\(port)")
    try await eventually("the port is free") {
      (try? proxy.start(listeningOn: .tcp("127.0.0.1", port))) != nil
    }
    let channel = try Channel("127.0.0.1:\(port)")
    // The first one too: it has connected to nobody before it listened.
    let error = await #expect(throws: StatusError.self) {
      _ = try await channel.unary(Echo.unary, [1], options: CallOptions(timeout: .seconds(20)))
    }
    #expect(
      error?.code == .internal && error?.status.message.contains("through 8 proxies") == true, "\(error as Any)")
    await proxy.drain(limit: .zero)
  }

  @Test("a proxy that drains lets its calls end") func drain() async throws {
    try await Stage.before(Echo()) { stage, channel in
      let chat = channel.bidirectional(Echo.chat)
      var responses = chat.makeAsyncIterator()
      try await chat.send([1])
      #expect(try await responses.next() == [1])
      let proxy = stage.proxy
      async let drained: Void = proxy.drain(limit: .seconds(20))
      try await chat.send([2])
      #expect(try await responses.next() == [2])
      chat.finish()
      #expect(try await responses.next() == nil)
      await drained
    }
  }
}

extension Stage {
  var scriptedAddress: SocketAddress { address }
}

extension ScriptedPeer {
  static func request(path: String) -> [(String, String)] { request.map { ($0.0, $0.0 == ":path" ? path : $0.1) } }
}
