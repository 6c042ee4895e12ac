import Foundation
import Synchronization
import TestSupport
import Testing
import Volery
import VoleryProxy

/// Peers on either side that do the proxy harm, or would: calls of others go on, and memory has a bound.
@Suite("A proxy between peers that misbehave", .serialized, .timeLimit(.minutes(2))) struct HostileTests {
  /// The program before a server of the test's, and a channel to it.
  private static func before<Result>(
    _ services: any Service..., isolation: isolated (any Actor)? = #isolation,
    _ body: (ProxyProgram, Channel) async throws -> Result
  ) async throws -> Result {
    let server = Server(services: services)
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let program = try await ProxyProgram(target: "\(bound)")
    let channel = try Channel("\(program.address)")
    #expect(try await channel.unary(Echo.unary, [1]).message == [1])
    let result = try await body(program, channel)
    #expect(try await channel.unary(Echo.unary, [2]).message == [2])
    #expect(try await program.stop() == 0)
    return result
  }

  @Test("a server that dies in mid-stream ends its own calls, which don't look whole, and no others") func death()
    async throws
  {
    let listener = try ScriptedListener()
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let stage = try Stage(to: "static:///127.0.0.1:\(listener.port),\(bound)") { $0.eventLoops = 1 }
    let (client, streams) = try await blocking {
      let client = try ScriptedPeer.client(of: stage.scriptedAddress)
      var dying: ScriptedPeer? = try listener.accept()
      try dying?.listen("its SETTINGS taken") { $0.heard.contains { $0.kind == .settings && $0.flags != 0 } }
      var streams: [UInt32] = []
      // Some of them come here, and get half an answer; the others are answered by the other server.
      while streams.count < 400 {
        let stream = UInt32(2 * streams.count + 1)
        streams.append(stream)
        client.say(
          .headers(stream, ScriptedPeer.request(path: "/test.Echo/Chat")), .data(stream, ScriptedPeer.emptyMessage))
        guard stream % 32 == 31 else { continue }
        try client.listenToPing(UInt64(stream))
        try dying?.listenToPing(UInt64(stream))
        if let dying, dying.blocks.count >= 5, streams.contains(where: { client.dataCount(of: $0) > 0 }) { break }
      }
      for block in dying?.blocks ?? [] {
        dying?.say(
          .headers(block.stream, [(":status", "200"), ("content-type", "application/grpc"), ("x-dying", "1")]),
          .data(block.stream, ScriptedPeer.emptyMessage))
      }
      try client.listen("half answers") { peer in streams.count { peer.field("x-dying", of: $0) != nil } >= 5 }
      dying = nil
      try client.listen("their ends") { peer in
        streams.allSatisfy { peer.field("x-dying", of: $0) == nil || peer.hasEnded($0) }
      }
      for stream in streams where client.field("x-dying", of: stream) == nil {
        client.say(.data(stream, [], ends: true))
      }
      try client.listen("all ends") { peer in streams.allSatisfy { peer.hasEnded($0) } }
      return (client, streams)
    }
    #expect(streams.contains { client.field("grpc-status", of: $0) == "0" })
    for stream in streams {
      // Some may have come to it and got nothing.
      let isAnswered = client.dataCount(of: stream) > 0 && client.field("x-dying", of: stream) == nil
      #expect(client.field("grpc-status", of: stream) == (isAnswered ? "0" : "14"))
    }
    listener.stop()
    await stage.proxy.drain(limit: .zero)
  }

  /// A download that the client allows without end, and never reads.
  private static func stuckDownload(of address: Volery.SocketAddress, streams: Int) throws -> ScriptedPeer {
    let peer = try ScriptedPeer.client(of: address, settings: [(4, 1 << 30)])
    peer.say(.windowUpdate(0, 1 << 30))
    for index in 0..<streams {
      let stream = UInt32(2 * index + 1)
      let message = [255] + [UInt8](repeating: 1, count: 15_000)
      let length = withUnsafeBytes(of: UInt32(message.count).bigEndian, Array.init)
      peer.say(
        .headers(stream, ScriptedPeer.request(path: "/test.Echo/Download")),
        .data(stream, [0] + length + message, ends: true))
    }
    return peer
  }

  @Test("clients that never read hold up their own calls, and take a window of memory each") func neverRead()
    async throws
  {
    let count = 50
    try await Self.before(Echo()) { program, channel in
      let before = try program.residentKilobytes
      let address = program.address
      let clients = try await blocking {
        try (0..<count).map { _ in try Self.stuckDownload(of: address, streams: 1) }
      }
      try await settled("bytes in the proxy") { ((try? program.residentKilobytes) ?? 0) / 256 }
      for index in 0..<50 { #expect(try await channel.unary(Echo.unary, [UInt8(index)]).message == [UInt8(index)]) }
      let grown = try program.residentKilobytes - before
      // A window of 512 KiB, what the allocator makes of it, and what every connection has.
      #expect(grown < count * 1024, "it grew by \(grown) KiB")
      print("\(count) clients that never read: the proxy grew by \(grown) KiB")
      withExtendedLifetime(clients) {}
    }
  }

  /// Takes a call and reads nothing of it.
  private struct Mute: Service {
    static let upload = Method<[UInt8], [UInt8]>(service: "test.Mute", name: "Upload", kind: .clientStreaming)
    var handlers: [MethodHandler] {
      [
        .clientStreaming(Mute.upload) { _, _ in
          // Until the call is over.
          let (never, continuation) = AsyncStream<Void>.makeStream()
          for await _ in never {}
          continuation.finish()
          return []
        }
      ]
    }
  }

  @Test("a server that does not read fifty uploads holds up those, not the other calls to it") func unreadUploads()
    async throws
  {
    try await Self.before(Echo(), Mute()) { program, channel in
      let before = try program.residentKilobytes
      let sent = Counter()
      let uploads = (0..<50).map { _ in
        Task {
          let call = channel.clientStreaming(Mute.upload)
          while !Task.isCancelled {
            try await call.send([UInt8](repeating: 1, count: 64 << 10))
            sent.add(64 << 10)
          }
        }
      }
      try await settled("bytes of uploads") { sent.value }
      for index in 0..<50 { #expect(try await channel.unary(Echo.unary, [UInt8(index)]).message == [UInt8(index)]) }
      let grown = try program.residentKilobytes - before
      #expect(grown < 50 * 1024 + (16 << 10), "it grew by \(grown) KiB")
      print("50 uploads that nobody reads: the proxy grew by \(grown) KiB")
      for upload in uploads { upload.cancel() }
      for upload in uploads { _ = await upload.result }
    }
  }

  /// What makes large header lists of few bytes, or of many, or of no end.
  enum Bomb: String, Sendable, CaseIterable {
    /// 1 MiB of fields.
    case large
    /// A field of 4,000 bytes, then 16,000 times a byte that stands for it (RFC 7541, 7.3): 64 MB.
    case compressed
    /// CONTINUATION frames without end, 32 MiB of them.
    case endless

    func frames(_ stream: UInt32, _ fields: [(String, String)]) -> [ScriptedFrame] {
      switch self {
      case .large:
        return ScriptedFrame.largeHeaders(
          stream, fields + (0..<256).map { ("x-\($0)", String(repeating: "x", count: 4096)) }, ends: true)
      case .compressed:
        // A literal with incremental indexing: name "x", a value of 4,000 bytes (127 + 3,873).
        let entry: [UInt8] = [0x40, 1, UInt8(ascii: "x"), 127, 0xa1, 0x1e] + [UInt8](repeating: 0x78, count: 4000)
        let block = ScriptedFrame.block(fields) + entry
        var frames = [
          ScriptedFrame(kind: .headers, flags: ScriptedFrame.endStream, stream: stream, payload: block),
          ScriptedFrame(kind: .continuation, stream: stream, payload: [UInt8](repeating: 0xbe, count: 16_000)),
        ]
        frames[1].flags = ScriptedFrame.endHeaders
        return frames
      case .endless:
        let field = ScriptedFrame.block([("x-more", String(repeating: "x", count: 16_000))])
        return [ScriptedFrame(kind: .headers, stream: stream, payload: ScriptedFrame.block(fields))]
          + (0..<2048).map { _ in ScriptedFrame(kind: .continuation, stream: stream, payload: field) }
      }
    }
  }

  @Test("header bombs of clients are refused, and other clients hear nothing of it", arguments: Bomb.allCases)
  func requestBomb(_ bomb: Bomb) async throws {
    try await Self.before(Echo()) { program, channel in
      let before = try program.residentKilobytes
      let address = program.address
      let peer = try await blocking {
        let peer = try ScriptedPeer.client(of: address)
        peer.say(bomb.frames(1, ScriptedPeer.request(path: "/test.Echo/Unary")))
        try peer.listen("a refusal", orClosed: true) { $0.hasEnded(1) || $0.goAway != nil }
        return peer
      }
      let status = peer.field("grpc-status", of: 1)
      #expect(status != "0")
      let grown = try program.residentKilobytes - before
      #expect(grown < 16 << 10, "it grew by \(grown) KiB")
    }
  }

  @Test("header bombs of servers end the call, and the next one is answered", arguments: Bomb.allCases)
  func responseBomb(_ bomb: Bomb) async throws {
    let calls = Counter()
    let server = try ScriptedServer(
      .init { stream in
        calls.add(1)
        // Every call but the first is answered.
        return if calls.value == 1 {
          bomb.frames(stream, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")])
        } else {
          [
            .headers(stream, [(":status", "200"), ("content-type", "application/grpc")]),
            .data(stream, ScriptedPeer.emptyMessage), .headers(stream, [("grpc-status", "0")], ends: true),
          ]
        }
      })
    defer { server.stop() }
    let program = try await ProxyProgram(target: "\(server.target)", "--loops", "1")
    let before = try program.residentKilobytes
    let channel = try Channel("\(program.address)")
    let options = CallOptions(timeout: .seconds(5), waitForReady: true)
    let error = await #expect(throws: StatusError.self) {
      _ = try await channel.unary(Echo.unary, [], options: options)
    }
    #expect(error?.origin == .peer && error?.code != .deadlineExceeded, "\(String(describing: error))")
    let grown = try program.residentKilobytes - before
    #expect(grown < 16 << 10, "it grew by \(grown) KiB")
    // The connection may have ended with it.
    try await eventually("the next call is answered") {
      (try? await channel.unary(Echo.unary, [], options: options).message) == []
    }
    #expect(try await program.stop() == 0)
  }

  @Test("a target that turns out to be the proxy itself costs its own calls some hops each, and no others anything")
  func ownTarget() async throws {
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("proxy-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (own, endpoints, config) = (
      folder.path + "/own.sock", folder.path + "/endpoints.json", folder.path + "/proxy.yaml"
    )
    // Only a look-up tells.
    try "{\"endpoints\": [\"unix:\(own)\"]}".write(toFile: endpoints, atomically: true, encoding: .utf8)
    try """
    listen: ["127.0.0.1:0", "unix:\(own)"]
    targets: {own: "file://\(endpoints)", good: "\(bound)"}
    routes: [{service: test.Echo, headers: [{name: x-loop, present: true}], target: own}, {target: good}]
    """.write(toFile: config, atomically: true, encoding: .utf8)
    let process = try ChildProcess([ProxyProgram.path, "--config", config])
    let program = ProxyProgram(process, firstLine: try await blocking { try process.readLine().line })
    let channel = try Channel("\(program.address)")
    let round = CallOptions(metadata: ["x-loop": "1"], timeout: .seconds(20))
    let first = await #expect(throws: StatusError.self) { _ = try await channel.unary(Echo.unary, [1], options: round) }
    #expect(first?.code == .internal, "it has connected to nobody before it listened: \(first as Any)")
    let before = try program.residentKilobytes
    for index in 0..<200 {
      let error = await #expect(throws: StatusError.self) {
        _ = try await channel.unary(Echo.unary, [UInt8](repeating: 1, count: 100_000), options: round)
      }
      #expect(
        error?.code == .internal && error?.status.message.contains("through 8 proxies") == true, "\(error as Any)")
      #expect(try await channel.unary(Echo.unary, [UInt8(index)]).message == [UInt8(index)])
    }
    let grown = try program.residentKilobytes - before
    #expect(grown < 16 << 10, "it grew by \(grown) KiB")
    #expect(try await program.stop() == 0)
  }

  /// `make proxy-clients` has 10,000.
  private static let clients = Int(ProcessInfo.processInfo.environment["PROXY_CLIENTS"] ?? "") ?? 300

  @Test("many clients' calls share few connections to the server, and take little memory each") func manyClients()
    async throws
  {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = min(limit.rlim_max, rlim_t(2 * Self.clients + 1000))
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let accepted = Connections()
    var options = ServerOptions()
    options.observers = [accepted]
    let server = Server(services: [Echo()], options: options)
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let program = try await ProxyProgram(target: "\(bound)")
    let before = try program.residentKilobytes
    let began = ContinuousClock.now
    let peers = try await blocking {
      // One less: the channel below is a client too, and 10,000 are what a server takes.
      let peers = try (1..<Self.clients).map { _ in try ScriptedPeer.client(of: program.address) }
      // A call that ends, and one that stays.
      for peer in peers {
        peer.say(
          .headers(1, ScriptedPeer.request(path: "/test.Echo/Unary")), .data(1, ScriptedPeer.emptyMessage, ends: true),
          .headers(3, ScriptedPeer.request(path: "/test.Echo/Chat")), .data(3, ScriptedPeer.emptyMessage))
      }
      for peer in peers {
        try peer.listen("end of the call, message of the chat") { $0.hasEnded(1) && $0.dataCount(of: 3) > 0 }
      }
      return peers
    }
    #expect(peers.allSatisfy { $0.field("grpc-status", of: 1) == "0" })
    let channel = try Channel("\(program.address)")
    #expect(try await channel.unary(Echo.unary, [1]).message == [1])
    let grown = try program.residentKilobytes - before
    #expect(grown < Self.clients * 100 + (16 << 10), "it grew by \(grown) KiB")
    // One for each loop of the proxy's, while none has 1,000 calls.
    #expect(accepted.count <= ProcessInfo.processInfo.processorCount * (1 + Self.clients / 1000))
    let seconds = began.duration(to: .now) / .seconds(1)
    print(
      "\(Self.clients) clients in \(seconds) s, \(accepted.count) connections to the server: it grew by \(grown) KiB")
    _ = try await blocking { program.process.stop(SIGKILL) }
  }
}

/// How much there was of something.
private final class Counter: Sendable {
  private let total = Atomic<Int>(0)
  var value: Int { total.load(ordering: .relaxed) }
  func add(_ count: Int) { total.add(count, ordering: .relaxed) }
}

/// How many connections a server has had.
private final class Connections: Observer {
  private let counter = Counter()
  var count: Int { counter.value }
  func happened(_ event: ServerEvent, to server: ObservedServer) {
    if case .connectionOpened = event { counter.add(1) }
  }
}
