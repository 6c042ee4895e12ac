import TestSupport
import Testing
import Volery
import VoleryProxy

/// Frame by frame, with scripted ends on both sides.
@Suite("What a proxy writes", .timeLimit(.minutes(1))) struct WireTests {
  @Test("fields of one hop end at the proxy, te is its own, and the rest goes on") func oneHop() async throws {
    let listener = try ScriptedListener()
    let stage = try Stage(to: "127.0.0.1:\(listener.port)") { $0.eventLoops = 1 }
    let own = [
      ("proxy-authorization", "Basic eDp5"), ("proxy-authenticate", "Basic"), ("trailer", "x-end"),
      ("content-length", "5"), ("x-spiffe-id", "spiffe://a/admin"), ("x-kept", "1"),
    ]
    let found = try await blocking {
      let client = try ScriptedPeer.client(of: stage.scriptedAddress)
      client.say(.headers(1, ScriptedPeer.request + own), .data(1, ScriptedPeer.emptyMessage))
      let server = try listener.accept()
      try server.listen("the call") { $0.heard.contains { $0.kind == .data } }
      let stream = server.blocks[0].stream
      return (own.map(\.0) + ["te"]).map { server.field($0, of: stream) }
    }
    #expect(found == [nil, nil, nil, nil, nil, "1", "trailers"])
    await stage.proxy.drain(limit: .zero)
  }

  @Test(
    "a call that has come through eight proxies is refused, in how many fields they stand, and one of seven goes on")
  func hops() async throws {
    let server = try ScriptedServer(
      .init {
        [.headers($0, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")], ends: true)]
      })
    defer { server.stop() }
    let stage = try Stage(to: server.target)
    let lists = [
      ["a, b, c, d, e, f, g"], ["a", "b, c", "d, e, f, g"], ["a, b, c, d, e, f, g, h"], ["a, b, c, d, e, f", "g, h"],
    ]
    let seen = try await blocking {
      let client = try ScriptedPeer.client(of: stage.scriptedAddress)
      return try lists.enumerated().map { index, list in
        let stream = UInt32(2 * index + 1)
        client.say(.headers(stream, ScriptedPeer.request + list.map { ("x-proxied-by", $0) }, ends: true))
        try client.listen("the end of the call") { $0.hasEnded(stream) }
        return client.field("grpc-status", of: stream)
      }
    }
    #expect(seen == ["0", "0", "13", "13"])
    await stage.proxy.drain(limit: .zero)
  }

  @Test("a path that is none of a method's is refused, and no server hears of it") func noMethod() async throws {
    let server = try ScriptedServer(.init())
    defer { server.stop() }
    let stage = try Stage(to: server.target)
    let seen = try await blocking {
      let client = try ScriptedPeer.client(of: stage.scriptedAddress)
      return try ["/x", "/a.B/", "//C", "/a/b/c", "/" + String(repeating: "a", count: 2000) + "/C"].enumerated().map {
        index, path in
        let stream = UInt32(2 * index + 1)
        client.say(.headers(stream, ScriptedPeer.request(path: path), ends: true))
        try client.listen("the end of the call") { $0.hasEnded(stream) }
        return client.field("grpc-status", of: stream)
      }
    }
    #expect(seen.allSatisfy { $0 == "12" }, "\(seen)")
    await stage.proxy.drain(limit: .zero)
  }

  @Test("a drain has two steps: a call that comes between them is forwarded as ever") func drain() async throws {
    try await Stage.before(Echo()) { stage, _ in
      let client = try await blocking {
        let client = try ScriptedPeer.client(of: stage.scriptedAddress)
        client.say(.headers(1, ScriptedPeer.request(path: "/test.Echo/Chat")), .data(1, ScriptedPeer.emptyMessage))
        try client.listen("an answer") { $0.dataCount(of: 1) > 0 }
        return client
      }
      let proxy = stage.proxy
      async let drained: Void = proxy.drain(limit: .seconds(20))
      let (first, second) = try await blocking {
        try client.listen("the first GOAWAY") { $0.goAway != nil }
        client.say(
          .headers(3, ScriptedPeer.request(path: "/test.Echo/Unary")), .data(3, ScriptedPeer.emptyMessage, ends: true))
        try client.listen("its end") { $0.hasEnded(3) }
        var last: ScriptedFrame?
        try client.converse { frame in
          if frame.kind == .goAway { last = frame }
          return last?.payload == client.goAway?.payload || last == nil
        }
        client.say(.data(1, [], ends: true))
        try client.listen("the end of the first call") { $0.hasEnded(1) }
        return (client.goAway, last)
      }
      // Streams up to the largest there can be; then those that have come.
      #expect(first?.payload.prefix(8) == [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])
      #expect(second?.payload.prefix(8) == [0, 0, 0, 3, 0, 0, 0, 0])
      #expect(client.field("grpc-status", of: 3) == "0" && client.field("grpc-status", of: 1) == "0")
      await drained
    }
  }

  @Test("what either side says of its messages' form goes on as it is") func encodings() async throws {
    let listener = try ScriptedListener()
    let stage = try Stage(to: "127.0.0.1:\(listener.port)") { $0.eventLoops = 1 }
    let own = [
      ("grpc-encoding", "gzip"), ("grpc-accept-encoding", "identity,deflate,gzip"),
      ("content-type", "application/grpc+json"),
    ]
    let (asked, answered, data) = try await blocking {
      let client = try ScriptedPeer.client(of: stage.scriptedAddress)
      // Compressed, says its flag: whether it can be unpacked is for the other end.
      let message: [UInt8] = [1, 0, 0, 0, 2, 7, 7]
      let request = ScriptedPeer.request.filter { $0.0 != "content-type" } + own
      client.say(.headers(1, request), .data(1, message, ends: true))
      let server = try listener.accept()
      try server.listen("the call") { $0.heard.contains { $0.kind == .data } }
      let stream = server.blocks[0].stream
      server.say(
        .headers(stream, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "deflate")]),
        .data(stream, message), .headers(stream, [("grpc-status", "0")], ends: true))
      try client.listen("the end of the call") { $0.hasEnded(1) }
      return (
        own.map { server.field($0.0, of: stream) }, client.field("grpc-encoding", of: 1), client.dataCount(of: 1)
      )
    }
    #expect(asked == own.map(\.1))
    #expect(answered == "deflate" && data == 7)
    await stage.proxy.drain(limit: .zero)
  }

  @Test("a server is told what each request says, whatever those before it on its connection have said")
  func requestsInTurn() async throws {
    let listener = try ScriptedListener()
    let stage = try Stage(to: "127.0.0.1:\(listener.port)") { $0.eventLoops = 1 }
    let changes: [[(String, String)]] = [
      [], [], [("grpc-accept-encoding", "gzip")], [("grpc-accept-encoding", "gzip")], [], [("grpc-encoding", "gzip")],
      [("content-type", "application/grpc+json")], [("content-type", "application/grpc+json")], [], [],
      [(":authority", "other")], [(":authority", "other")], [("x-a", "1")], [("x-a", "1")], [("x-a", "2")],
      [("grpc-timeout", "9S"), ("x-a", "2")], [("x-a", "2")], [],
    ]
    let names = ["grpc-accept-encoding", "grpc-encoding", "content-type", ":authority", "x-a", "x-forwarded-for"]
    let seen = try await blocking {
      let client = try ScriptedPeer.client(of: stage.scriptedAddress)
      var server: ScriptedPeer?
      return try changes.enumerated().map { index, change in
        let usual = ScriptedPeer.request.map { field in (field.0, change.first { $0.0 == field.0 }?.1 ?? field.1) }
        let more = change.filter { changed in !usual.contains { $0.0 == changed.0 } }
        client.say(.headers(UInt32(2 * index + 1), usual + more, ends: true))
        let peer = try server ?? listener.accept()
        server = peer
        try peer.listen("call \(index)") { $0.blocks.count > index }
        let stream = peer.blocks[index].stream
        return (names + ["grpc-timeout"]).map { peer.field($0, of: stream) }
      }
    }
    for (change, fields) in zip(changes, seen) {
      func said(_ name: String) -> String? { change.first { $0.0 == name }?.1 }
      #expect(fields[0] == said("grpc-accept-encoding") && fields[1] == said("grpc-encoding"), "\(change)")
      #expect(fields[2] == said("content-type") ?? "application/grpc", "\(change)")
      #expect(fields[3] == said(":authority") ?? "test" && fields[4] == said("x-a"), "\(change)")
      #expect(fields[5] == "127.0.0.1" && (fields[6] != nil) == (said("grpc-timeout") != nil), "\(change)")
    }
    await stage.proxy.drain(limit: .zero)
  }

  @Test("a server that is lost in the middle of a message is a failure of the call, never its end") func halfAMessage()
    async throws
  {
    let listener = try ScriptedListener()
    let stage = try Stage(to: "127.0.0.1:\(listener.port)") { $0.eventLoops = 1 }
    let (status, reset) = try await blocking {
      let client = try ScriptedPeer.client(of: stage.scriptedAddress)
      client.say(.headers(1, ScriptedPeer.request), .data(1, ScriptedPeer.emptyMessage, ends: true))
      var server: ScriptedPeer? = try listener.accept()
      try server?.listen("the call") { $0.heard.contains { $0.kind == .data } }
      let stream = server?.blocks[0].stream ?? 1
      server?.say(
        .headers(stream, [(":status", "200"), ("content-type", "application/grpc")]),
        .data(stream, [0, 0, 0, 0, 100, 1, 2, 3]))
      try client.listen("half a message") { $0.dataCount(of: 1) > 0 }
      server = nil
      try client.listen("the end of the call") { $0.hasEnded(1) }
      return (client.field("grpc-status", of: 1), client.reset(of: 1))
    }
    #expect(status == "14" || status == "13" || (status == nil && reset != nil), "\(status ?? "none")")
    await stage.proxy.drain(limit: .zero)
  }
}
