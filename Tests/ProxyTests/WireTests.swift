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
      ("proxy-authorization", "Basic eDp5"), ("trailer", "x-end"), ("x-spiffe-id", "spiffe://a/admin"), ("x-kept", "1"),
    ]
    let found = try await blocking {
      let client = try ScriptedPeer.client(of: stage.scriptedAddress)
      client.say(.headers(1, ScriptedPeer.request + own), .data(1, ScriptedPeer.emptyMessage))
      let server = try listener.accept()
      try server.listen("the call") { $0.heard.contains { $0.kind == .data } }
      let stream = server.blocks[0].stream
      return ["proxy-authorization", "trailer", "x-spiffe-id", "x-kept", "te"].map { server.field($0, of: stream) }
    }
    #expect(found == [nil, nil, nil, "1", "trailers"])
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
