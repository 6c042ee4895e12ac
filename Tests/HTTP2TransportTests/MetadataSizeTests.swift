import Synchronization
import TestSupport
import Testing
import Volery

/// How large metadata may be, sent and received.
@Suite("Sizes of metadata", .timeLimit(.minutes(1))) struct MetadataSizeTests {
  @Test(
    "a request's metadata over the limit is RESOURCE_EXHAUSTED, wherever its content-type stands", arguments: [0, 4])
  func largeRequest(_ place: Int) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      var request = ScriptedPeer.request
      request.insert(("x-large", String(repeating: "a", count: 17000)), at: place == 0 ? request.count : place)
      peer.say(ScriptedFrame.largeHeaders(1, request) + [.data(1, ScriptedPeer.emptyMessage, ends: true)])
      try peer.listen("answer") { $0.hasEnded(1) }
      #expect(peer.field(":status", of: 1) == "200")
      #expect(peer.field("grpc-status", of: 1) == "8")
      #expect(peer.field("grpc-message", of: 1)?.contains("limit of 16384") == true)
    }
  }

  static func filler(_ count: Int) -> String { String(repeating: "a", count: count) }

  static let large: [Metadata] = [
    ["x-large": filler(20_000), "x-small": "b"], ["x-large": filler(70_000)], ["x-large": filler(300_000)],
  ]

  @Test(
    "a request with more metadata than its server takes fails here, names its key, and is neither sent nor retried",
    arguments: Way.allCases, large)
  func request(_ way: Way, _ metadata: Metadata) async throws {
    let calls = Atomic(0)
    try await Stage.with(way, channel: Self.retrying) { _, _ in
      calls.add(1, ordering: .relaxed)
      return []
    } _: { stage in
      // More than it takes to eject a server.
      for _ in 0..<12 {
        let error = await stage.failure(metadata)
        #expect(error?.code == .resourceExhausted)
        #expect(error?.origin == .call)
        #expect(error?.message.contains("'x-large'") == true, "\(error as Any)")
        #expect(error?.message.contains("the server's limit of 16384") == true)
      }
      #expect(calls.load(ordering: .relaxed) == 0)
      try await stage.call()
    }
  }

  /// Tries again whatever may be tried again.
  static var retrying: ChannelOptions {
    var options = ChannelOptions()
    options.serviceConfig = try! ServiceConfig(
      json: """
        {"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.001s",
        "maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": ["RESOURCE_EXHAUSTED", "UNAVAILABLE"]}}]}
        """)
    return options
  }

  @Test("requests that are too large cost no server its share of the calls") func shares() async throws {
    let counts = (0..<3).map { _ in Counter() }
    let servers = counts.map { count in
      Server(services: [
        OneMethod { _, _ in
          count.increment()
          return []
        }
      ])
    }
    defer { for server in servers { server.shutDown() } }
    let addresses = try servers.map { "\(try $0.start(listeningOn: .tcp("127.0.0.1", 0))[0])" }
    let channel = try Channel("ipv4:\(addresses.joined(separator: ","))")
    for _ in 0..<60 {
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(OneMethod.method, [], options: Stage.options(["x-large": Self.filler(70_000)]))
      }
      #expect(error?.code == .resourceExhausted)
    }
    for _ in 0..<300 { _ = try await channel.unary(OneMethod.method, [], options: Stage.options()) }
    #expect(counts.map(\.value).allSatisfy { (80...120).contains($0) }, "\(counts.map(\.value))")
  }

  @Test(
    "initial and trailing metadata that the client does not take end the call with RESOURCE_EXHAUSTED",
    arguments: Way.allCases, large)
  func response(_ way: Way, _ metadata: Metadata) async throws {
    try await Stage.with(way) { request, context in
      if request == [1] { context.initialMetadata = metadata } else { context.trailingMetadata = metadata }
      return [1]
    } _: { stage in
      for place: UInt8 in [1, 2] {
        let error = await stage.failure([:], [place])
        #expect(error?.code == .resourceExhausted)
        #expect(error?.message.contains("'x-large'") == true, "\(error as Any)")
        #expect(error?.message.contains("the client's limit of 16384") == true, "\(error as Any)")
      }
    }
  }

  @Test("a call that has failed keeps its code, whatever metadata it fails with", arguments: Way.allCases)
  func failure(_ way: Way) async throws {
    try await Stage.with(way) { _, _ in
      throw StatusError(.notFound, "not here", metadata: ["x-large": Self.filler(20_000)])
    } _: { stage in
      let error = await stage.failure()
      #expect(error?.code == .notFound)
      #expect(error?.message.hasPrefix("not here (without its trailing metadata: ") == true)
      #expect(error?.message.contains("'x-large'") == true)
    }
  }

  @Test(
    "a status message of any length arrives with its code and metadata, cut to what the client takes",
    arguments: Way.allCases, [16_000, 65_409, 65_410, 200_000])
  func message(_ way: Way, _ count: Int) async throws {
    try await Stage.with(way) { request, _ in
      let text = String(repeating: String(decoding: request, as: UTF8.self), count: count)
      throw StatusError(.aborted, text, metadata: ["x-kept": "yes"])
    } _: { stage in
      for letter in ["m", "é", " "] {
        let error = await stage.failure([:], Array(letter.utf8))
        #expect(error?.code == .aborted)
        #expect(error?.metadata["x-kept"] == "yes")
        let isCut = count * (letter == "é" ? 6 : 1) > 16_000
        let text = error?.message ?? ""
        #expect(text.hasSuffix("... (cut)") == isCut)
        #expect(text.count > 2000 && !text.contains("\u{fffd}"))
        #expect(isCut || text == String(repeating: letter, count: count))
      }
    }
  }

  @Test("both limits can be raised, and then large metadata arrives whole", arguments: Way.allCases)
  func raised(_ way: Way) async throws {
    var (server, client) = (ServerOptions(), ChannelOptions())
    server.maxMetadataBytes = 2 << 20
    client.maxMetadataBytes = 2 << 20
    let value = Self.filler(60_000)
    try await Stage.with(way, server: server, channel: client) { request, context in
      if request == [1] { throw StatusError(.notFound, value) }
      context.initialMetadata = ["x-initial": context.metadata["x-large"] ?? ""]
      // Together over nghttp2's own 64 KiB, and more than the frames that it takes by itself.
      for index in 0..<5 { context.trailingMetadata.append(value, for: "x-\(index)") }
      return []
    } _: { stage in
      let response = try await stage.call(["x-large": value])
      #expect(response.initialMetadata["x-initial"] == value)
      #expect((0..<5).allSatisfy { response.trailingMetadata["x-\($0)"] == value })
      #expect(await stage.failure([:], [1])?.message == value)
    }
  }

  @Test("what the other end announces is what is sent, not what this end takes") func announced() async throws {
    try await Stage.with(.plain) { _, _ in
      throw StatusError(.notFound, Self.filler(5000))
    } _: { stage in
      let address = stage.address
      try await blocking {
        let peer = try ScriptedPeer.client(of: address, settings: [(6, 1000)])
        peer.say(
          .headers(1, OneMethod.request), .data(1, ScriptedPeer.emptyMessage, ends: true))
        try peer.listen("answer") { $0.hasEnded(1) }
        let fields = try #require(peer.blocks.first?.fields)
        #expect(fields.reduce(0) { $0 + $1.0.utf8.count + $1.1.utf8.count + 32 } <= 1000)
        #expect(peer.field("grpc-status", of: 1) == "5")
        #expect(peer.field("grpc-message", of: 1)?.hasPrefix("aaaa") == true)
      }
    }
  }

  /// 21 calls on one connection, of which one is answered with headers or trailers as large as this: how each ends.
  func besideOthers(_ large: [(String, String)], asTrailers: Bool) async throws -> [StatusCode] {
    let listener = try ScriptedListener()
    async let script: Void = blocking {
      let peer = try listener.accept()
      var streams: [UInt32] = []
      try peer.converse { frame in
        if frame.endsStream { streams.append(frame.stream) }
        return streams.count < 21
      }
      try #require(streams.count == 21, "the calls did not all come")
      let last = streams.removeLast()
      let head = [(":status", "200"), ("content-type", "application/grpc")]
      if asTrailers {
        peer.say(.headers(last, head), .data(last, ScriptedPeer.emptyMessage))
        peer.say(ScriptedFrame.largeHeaders(last, [("grpc-status", "0")] + large, ends: true))
      } else {
        peer.say(ScriptedFrame.largeHeaders(last, head + large))
      }
      for stream in streams {
        peer.say(
          .headers(stream, head), .data(stream, ScriptedPeer.emptyMessage),
          .headers(stream, [("grpc-status", "0")], ends: true))
      }
      try peer.listen("end", orClosed: true) { _ in false }
    }
    let channel = try Channel("ipv4:127.0.0.1:\(listener.port)")
    let codes = await withTaskGroup(of: StatusCode.self) { group in
      for _ in 0..<21 {
        group.addTask {
          do throws(StatusError) {
            _ = try await channel.unary(ScriptedService.echo, [], options: Stage.options())
            return .ok
          } catch {
            return error.code
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    channel.close()
    try await script
    return codes
  }

  @Test(
    "a response with 200,000 bytes of metadata ends its own call only, in one field or in several",
    arguments: [false, true], [1, 2, 4])
  func largeResponse(_ asTrailers: Bool, _ count: Int) async throws {
    let fields = (0..<count).map { ("x-\($0)", Self.filler(200_000 / count)) }
    let codes = try await besideOthers(fields, asTrailers: asTrailers)
    #expect(codes.count { $0 == .ok } == 20 && codes.count { $0 == .resourceExhausted } == 1, "\(codes)")
  }

  @Test("a header block of over a megabyte ends its connection: there is a bound") func endless() async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      peer.say(ScriptedFrame.largeHeaders(1, ScriptedPeer.request + [("x-large", Self.filler(1_000_000))], ends: true))
      try peer.listen("answer") { $0.hasEnded(1) }
      #expect(peer.field("grpc-status", of: 1) == "8")
      peer.say(ScriptedFrame.largeHeaders(3, ScriptedPeer.request + [("x-large", Self.filler(1_200_000))], ends: true))
      try peer.listen("end of the connection", orClosed: true) { _ in false }
      #expect(peer.goAway?.errorCode == 1)
    }
  }

  @Test("a request with 200,000 bytes of metadata ends its own call only") func largeRequestBesideOthers() async throws
  {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      let fields = [("x-large", Self.filler(200_000))]
      peer.say(.headers(1, ScriptedPeer.request))
      peer.say(ScriptedFrame.largeHeaders(3, ScriptedPeer.request + fields, ends: true))
      peer.say(.data(1, ScriptedPeer.emptyMessage, ends: true))
      try peer.listen("answers") { $0.hasEnded(1) && $0.hasEnded(3) }
      #expect(peer.field("grpc-status", of: 3) == "8")
      #expect(peer.field("grpc-status", of: 1) == "0")
    }
  }
}

final class Counter: Sendable {
  private let count = Atomic(0)
  func increment() { count.add(1, ordering: .relaxed) }
  var value: Int { count.load(ordering: .relaxed) }
}
