import TestSupport
import Testing
import Volery

/// What RFC 9113 says of a server's streams, by its sections; the cases that h2spec has of them too.
@Suite("Streams of a server", .timeLimit(.minutes(1))) struct StreamStateTests {
  static let (protocolError, streamClosed, refusedStream): (UInt32, UInt32, UInt32) = (1, 5, 7)

  /// A request that ends with its message, or with its headers.
  static func call(_ stream: UInt32, _ method: String = "Echo") -> [ScriptedFrame] {
    [.headers(stream, ScriptedService.request(method)), .data(stream, ScriptedPeer.emptyMessage, ends: true)]
  }

  static let get = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "test")]

  /// The connection lives: another call is answered.
  static func expectAlive(_ peer: ScriptedPeer, _ stream: UInt32) throws {
    peer.say(call(stream))
    try peer.listen("answer", orClosed: true) { $0.hasEnded(stream) }
    #expect(peer.field("grpc-status", of: stream) == "0", "\(peer.heard.suffix(6))")
    #expect(peer.goAway == nil)
  }

  static func expectGoAway(_ peer: ScriptedPeer, _ code: UInt32) throws {
    try peer.listen("end of the connection", orClosed: true) { _ in false }
    #expect(peer.goAway?.errorCode == code, "\(peer.heard.suffix(6))")
  }

  @Test(
    "RFC 9113, 5.1: WINDOW_UPDATE and PRIORITY on a half-closed (remote) stream are accepted", arguments: [false, true])
  func halfClosed(_ isCall: Bool) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address, settings: [(4, 0)])
      peer.say(isCall ? Self.call(1) : [.headers(1, Self.get, ends: true)])
      try peer.listen("headers") { !$0.blocks.isEmpty }
      peer.say(ScriptedFrame(kind: .priority, stream: 1, payload: [0, 0, 0, 0, 255]), .windowUpdate(1, 1))
      try peer.listen("byte") { $0.dataCount(of: 1) == 1 }
      peer.say(.windowUpdate(1, 1000))
      try peer.listen("end") { $0.hasEnded(1) }
      #expect(peer.goAway == nil && peer.reset(of: 1) == nil)
    }
  }

  @Test("RFC 9113, 5.1: DATA on a half-closed (remote) stream is an error of type STREAM_CLOSED")
  func dataOnHalfClosed() async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      peer.say(Self.call(1, "Hang") + [.data(1, [1], ends: true)])
      try Self.expectGoAway(peer, Self.streamClosed)
    }
  }

  @Test(
    "RFC 9113, 5.1: DATA on a stream that END_STREAM has closed resets it with STREAM_CLOSED", arguments: [false, true])
  func dataOnEnded(_ isAtOnce: Bool) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      peer.say(.headers(1, Self.get, ends: true))
      if !isAtOnce { try peer.listen("answer") { $0.hasEnded(1) } }
      peer.say(.data(1, [1, 2, 3], ends: true))
      if isAtOnce {
        // Closed or half-closed, as the moment has it.
        try peer.listen("error", orClosed: true) { $0.reset(of: 1) != nil }
        #expect((peer.reset(of: 1) ?? peer.goAway?.errorCode) == Self.streamClosed)
      } else {
        try Self.expectAlive(peer, 3)
        #expect(peer.reset(of: 1) == Self.streamClosed)
      }
    }
  }

  @Test("RFC 9113, 5.1: HEADERS on a stream that END_STREAM has closed end the connection with STREAM_CLOSED")
  func headersOnEnded() async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      peer.say(Self.call(1) + Self.call(3))
      try peer.listen("answers") { $0.hasEnded(1) && $0.hasEnded(3) }
      peer.say(.headers(1, ScriptedPeer.request, ends: true))
      try Self.expectGoAway(peer, Self.streamClosed)
    }
  }

  @Test(
    "RFC 9113, 5.1: DATA and HEADERS on a stream that the client has reset reset it with STREAM_CLOSED",
    arguments: [false, true], [false, true])
  func onReset(_ isHeaders: Bool, _ isAtOnce: Bool) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      peer.say(.headers(1, ScriptedService.request("Upload")), .reset(1, 8))
      if !isAtOnce { try peer.listenToPing() }
      peer.say(isHeaders ? .headers(1, [("x-trailer", "a")], ends: true) : .data(1, [1], ends: true))
      try Self.expectAlive(peer, 3)
      #expect(peer.reset(of: 1) == Self.streamClosed)
    }
  }

  @Test("RFC 9113, 5.1: what was on its way to a stream that the server has reset is no error") func onServersReset()
    async throws
  {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      peer.say(.headers(1, ScriptedService.request("Nothing")))
      try peer.listen("reset") { $0.reset(of: 1) != nil }
      #expect(peer.reset(of: 1) == 0)
      peer.say(.data(1, ScriptedPeer.emptyMessage), .headers(1, [("x-trailer", "a")], ends: true))
      try Self.expectAlive(peer, 3)
      #expect(peer.heard.count { $0.kind == .reset } == 1)
    }
  }

  @Test("RFC 9113, 5.1: a stream that was closed long ago is forgotten, and judged no more") func forgotten()
    async throws
  {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      for index in 0..<100 {
        let stream = UInt32(2 * index + 1)
        peer.say(Self.call(stream))
        try peer.listen("answer") { $0.hasEnded(stream) }
      }
      peer.say(.data(1, [1], ends: true), .headers(3, ScriptedPeer.request, ends: true))
      peer.say(.data(199, [1], ends: true))
      try Self.expectAlive(peer, 201)
      #expect(peer.heard.filter { $0.kind == .reset }.map(\.stream) == [199])
    }
  }

  @Test(
    "RFC 9113, 5.1.1: a stream id that goes down ends the connection with PROTOCOL_ERROR",
    arguments: [3, 2] as [UInt32])
  func identifier(_ id: UInt32) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      peer.say(Self.call(1) + Self.call(7) + Self.call(id))
      try Self.expectGoAway(peer, Self.protocolError)
    }
  }

  @Test("RFC 9113, 5.1.1: ids may be passed over") func gap() async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      try Self.expectAlive(peer, 5)
      try Self.expectAlive(peer, 1001)
    }
  }

  @Test(
    "RFC 9113, 5.1.2: more streams than allowed are refused with REFUSED_STREAM, and cost the others nothing",
    arguments: [false, true])
  func concurrency(_ isAcknowledged: Bool) async throws {
    var options = ServerOptions()
    options.maxConcurrentStreams = 3
    try await ScriptedService.serve(options: options) { address in
      let peer = try ScriptedPeer.client(of: address)
      if isAcknowledged { try peer.listenToPing() }
      let settings = try #require(peer.heard.first { $0.kind == .settings && $0.flags == 0 })
      #expect(settings.payload.suffix(6) == [0, 3, 0, 0, 0, 3], "SETTINGS_MAX_CONCURRENT_STREAMS = 3")
      for stream: UInt32 in [1, 3, 5, 7] { peer.say(.headers(stream, ScriptedService.request("Upload"))) }
      try peer.listen("refusal", orClosed: true) { $0.reset(of: 7) != nil }
      #expect(peer.reset(of: 7) == Self.refusedStream)
      for stream: UInt32 in [1, 3, 5] { peer.say(.data(stream, ScriptedPeer.emptyMessage, ends: true)) }
      try peer.listen("answers", orClosed: true) { $0.hasEnded(1) && $0.hasEnded(3) && $0.hasEnded(5) }
      for stream: UInt32 in [1, 3, 5] { #expect(peer.field("grpc-status", of: stream) == "0") }
      try Self.expectAlive(peer, 9)
    }
  }

  @Test("RFC 9113, 8.1: a pseudo-header in trailers resets the stream with PROTOCOL_ERROR", arguments: [false, true])
  func pseudoHeaderInTrailers(_ isCall: Bool) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      let request =
        isCall ? ScriptedService.request("Upload") : Self.get.map { $0.0 == ":method" ? ($0.0, "POST") : $0 }
      peer.say(.headers(1, request))
      if !isCall { try peer.listen("refusal") { $0.hasEnded(1) } }
      peer.say(.data(1, ScriptedPeer.emptyMessage), .headers(1, [(":method", "POST")], ends: true))
      try peer.listen("reset", orClosed: true) { $0.reset(of: 1) != nil }
      #expect(peer.reset(of: 1) == Self.protocolError)
      try Self.expectAlive(peer, 3)
    }
  }

  @Test("a request that is no call is answered in words, and its stream is reset where it does not end") func noCall()
    async throws
  {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      peer.say(.headers(1, Self.get.map { $0.0 == ":method" ? ($0.0, "POST") : $0 }))
      try peer.listen("reset") { $0.reset(of: 1) != nil }
      #expect(peer.field(":status", of: 1) == "415")
      #expect(peer.reset(of: 1) == 0)
      let text = peer.heard.filter { $0.kind == .data && $0.stream == 1 }.flatMap(\.payload)
      #expect(String(decoding: text, as: UTF8.self).contains("application/grpc"))
      #expect(peer.field("content-length", of: 1) == "\(text.count)")
    }
  }

  @Test("bytes of a connection mean the same wherever they are cut", arguments: [1, 2, 5, 9, 10, 33])
  func pieces(_ size: Int) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      let frames =
        Self.call(1) + [.headers(3, ScriptedService.request("Upload")), .headers(5, ScriptedService.request("Upload"))]
        + (0..<20).flatMap { _ in [.data(3, ScriptedPeer.emptyMessage), .data(5, ScriptedPeer.emptyMessage)] }
        + [.reset(3, 8), .data(3, [1]), .data(5, [], ends: true)] + Self.call(7)
      let bytes = frames.flatMap(\.bytes)
      for start in stride(from: 0, to: bytes.count, by: size) {
        peer.say(bytes: Array(bytes[start..<min(start + size, bytes.count)]))
      }
      try peer.listen("answers", orClosed: true) {
        $0.hasEnded(1) && $0.hasEnded(5) && $0.hasEnded(7) && $0.reset(of: 3) != nil
      }
      for stream: UInt32 in [1, 5, 7] { #expect(peer.field("grpc-status", of: stream) == "0") }
      #expect(peer.reset(of: 3) == Self.streamClosed)
    }
  }
}
