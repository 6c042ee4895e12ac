import Foundation
import Synchronization
import TestSupport
import Testing
import Volery

/// Bytes of messages that wait are kept within limits; what can get on gets on.
@Suite("Messages that wait", .serialized, .timeLimit(.minutes(1))) struct BufferTests {
  private static let upload = Method<[UInt8], [UInt8]>(service: "test.Buffers", name: "Upload", kind: .clientStreaming)
  private static let download = Method<[UInt8], [UInt8]>(
    service: "test.Buffers", name: "Download", kind: .serverStreaming)
  private static let large = Method<[UInt8], [UInt8]>(service: "test.Buffers", name: "Large", kind: .unary)

  /// What a SETTINGS frame says that slows its reader down (SETTINGS_INITIAL_WINDOW_SIZE of 16 KiB), and that ends it (512 KiB).
  private static let narrowWindows: [UInt8] = [0, 4, 0, 0, 0x40, 0]
  private static let wideWindows: [UInt8] = [0, 4, 0, 8, 0, 0]

  /// Counts; its readers wait until they are let go on.
  private final class Counting: Service {
    let started = Atomic<Int>(0)
    let goOn = Atomic<Bool>(false)

    var handlers: [MethodHandler] {
      [
        .unary(ScriptedService.echo) { request, _ in request },
        .unary(BufferTests.large) { [self] _, _ in
          started.add(1, ordering: .relaxed)
          return [UInt8](repeating: 1, count: 1 << 20)
        },
        .clientStreaming(BufferTests.upload) { [self] requests, _ in
          while !goOn.load(ordering: .relaxed) { try await Task.sleep(for: .milliseconds(5)) }
          var total = 0
          for try await request in requests { total += request.count }
          return Array("\(total)".utf8)
        },
      ]
    }
  }

  private final class Peak: Sendable {
    let byteCount = Atomic<Int>(0)
  }

  private static func options(connection: Int, server: Int? = nil) -> ServerOptions {
    var options = ServerOptions()
    options.maxBufferedBytesPerConnection = connection
    options.maxBufferedBytes = server
    return options
  }

  private static func request(_ path: String) -> [(String, String)] {
    ScriptedPeer.request.map { $0.0 == ":path" ? ($0.0, path) : $0 }
  }

  private static func chunks(_ stream: UInt32, _ bytes: ArraySlice<UInt8>, ends: Bool = false) -> [ScriptedFrame] {
    stride(from: bytes.startIndex, to: bytes.endIndex, by: 16384).map { start in
      let end = min(start + 16384, bytes.endIndex)
      return .data(stream, Array(bytes[start..<end]), ends: ends && end == bytes.endIndex)
    }
  }

  @Test("many large messages at once get through a small limit, one after another, each way", arguments: Way.allCases)
  func throughSmallLimit(_ way: Way) async throws {
    var channelOptions = ChannelOptions()
    channelOptions.maxBufferedBytesPerConnection = 16 << 20
    let peak = Peak()
    try await Stage.with(
      way, server: Self.options(connection: 16 << 20), channel: channelOptions, handler: { request, _ in request }
    ) { stage in
      let server = stage.server
      let watch = Task {
        while !Task.isCancelled {
          peak.byteCount.max(server.bufferedByteCount, ordering: .relaxed)
          try? await Task.sleep(for: .milliseconds(1))
        }
      }
      defer { watch.cancel() }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for index in 0..<120 {
          group.addTask {
            let message = [UInt8](repeating: UInt8(index), count: 300_000 + index * 5000)
            let response = try await stage.call(Metadata(), message)
            #expect(response.message == message)
          }
        }
        try await group.waitForAll()
      }
      // The first mark, what is on its way until the client has heard of it, and what is let through; responses come on top.
      #expect(peak.byteCount.load(ordering: .relaxed) < 40 << 20, "of 72 MB")
    }
  }

  /// A client that has sent halves of messages until the server slows it down.
  private static func slowedDown(_ address: SocketAddress) throws -> ScriptedPeer {
    let peer = try ScriptedPeer.client(of: address, settings: [(4, 0x7fff_ffff)])
    peer.say(.windowUpdate(0, 0x7fff_ffff - 65535))
    let half = ScriptedService.message([UInt8](repeating: 1, count: 400_000)).prefix(250_000)
    for stream in stride(from: UInt32(1), through: 19, by: 2) {
      peer.say(.headers(stream, ScriptedService.request("Echo")))
      peer.say(chunks(stream, half))
    }
    try peer.listen("narrow windows") { peer in
      peer.heard.contains { $0.kind == .settings && $0.payload == Self.narrowWindows }
    }
    return peer
  }

  @Test("a client that is slowed down is served: small calls at once, large ones in turn, the oldest first")
  func slowedDown() async throws {
    let server = Server(services: [ScriptedService()], options: Self.options(connection: 4 << 20))
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    try await blocking {
      let peer = try Self.slowedDown(address)
      // Not before it has said that it knows: until then it has its old windows.
      #expect(!peer.heard.contains { $0.kind == .windowUpdate && $0.stream > 0 })
      peer.say(.settingsAcknowledged)
      try peer.listen("room for the oldest") { $0.heard.contains { $0.kind == .windowUpdate && $0.stream == 1 } }
      #expect(!peer.heard.contains { $0.kind == .windowUpdate && $0.stream == 19 })
      peer.say(.headers(21, ScriptedService.request("Echo")))
      peer.say(.data(21, ScriptedService.message([UInt8](repeating: 2, count: 12_000)), ends: true))
      try peer.listen("answer to a small call") { $0.hasEnded(21) }
      #expect(peer.field("grpc-status", of: 21) == "0")
      // The rest of what was let through: the next one's turn comes, until all are done and the windows are wide again.
      let rest = ScriptedService.message([UInt8](repeating: 1, count: 400_000)).dropFirst(250_000)
      var isWide = false
      for stream in stride(from: UInt32(1), through: 19, by: 2) {
        try peer.listen("room for \(stream)") { peer in
          peer.heard.contains { $0.kind == .windowUpdate && $0.stream == stream }
            || peer.heard.contains { $0.kind == .settings && $0.payload == Self.wideWindows }
        }
        if !isWide, peer.heard.contains(where: { $0.kind == .settings && $0.payload == Self.wideWindows }) {
          isWide = true
          peer.say(.settingsAcknowledged)
        }
        peer.say(Self.chunks(stream, rest, ends: true))
        try peer.listen("answer to \(stream)") { $0.field("grpc-status", of: stream) != nil }
        #expect(peer.field("grpc-status", of: stream) == "0")
      }
      try peer.listen("wide windows") { peer in
        peer.heard.contains { $0.kind == .settings && $0.payload == Self.wideWindows }
      }
    }
  }

  @Test("messages that stay half don't keep others from their turn") func stalled() async throws {
    var options = Self.options(connection: 4 << 20)
    options.maxRequestMessageBytes = 4 << 20
    let server = Server(services: [ScriptedService()], options: options)
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    try await blocking {
      let peer = try ScriptedPeer.client(of: address)
      // Nearly nothing has come of the first, which takes up all that is let through.
      peer.say(.headers(1, ScriptedService.request("Echo")), .data(1, [0, 0, 0x30, 0, 0]))
      let half = ScriptedService.message([UInt8](repeating: 1, count: 255_000)).prefix(250_000)
      for stream in stride(from: UInt32(3), through: 21, by: 2) {
        peer.say(.headers(stream, ScriptedService.request("Echo")))
        peer.say(Self.chunks(stream, half))
      }
      try peer.listen("narrow windows") { peer in peer.heard.contains { $0.payload == Self.narrowWindows } }
      peer.say(.settingsAcknowledged)
      try peer.listen("room for the second") { $0.heard.contains { $0.kind == .windowUpdate && $0.stream == 3 } }
    }
  }

  @Test("above the limit the call with most waiting ends with RESOURCE_EXHAUSTED, and nothing else happens")
  func overLimit() async throws {
    let service = Counting()
    let server = Server(services: [service], options: Self.options(connection: 1 << 20))
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer {
      service.goOn.store(true, ordering: .relaxed)
      server.shutDown()
    }
    try await blocking {
      let peer = try ScriptedPeer.client(of: address)
      let message = ScriptedService.message([UInt8](repeating: 1, count: 100_000))
      // Readers that take nothing: 400 kB, then 300, 200 and 100 of each.
      for (index, count) in [4, 3, 2, 1, 1].enumerated() {
        let stream = UInt32(2 * index + 1)
        peer.say(.headers(stream, Self.request("/test.Buffers/Upload")))
        for _ in 0..<count { peer.say(Self.chunks(stream, message[...])) }
      }
      try peer.listen("status") { $0.hasEnded(1) }
      #expect(peer.field("grpc-status", of: 1) == "8")
      try peer.listenToPing()
      for stream: UInt32 in [3, 5, 7, 9] { #expect(!peer.hasEnded(stream)) }
      service.goOn.store(true, ordering: .relaxed)
      for stream: UInt32 in [3, 5, 7, 9] {
        peer.say(.data(stream, [], ends: true))
        try peer.listen("answer") { $0.field("grpc-status", of: stream) != nil }
        #expect(peer.field("grpc-status", of: stream) == "0")
      }
      #expect(peer.goAway == nil)
    }
    try await eventually("nothing waits") { server.bufferedByteCount < 256 << 10 }
  }

  @Test("the server's limit holds for all connections together: new calls are refused until there is room")
  func serverLimit() async throws {
    let service = Counting()
    let server = Server(services: [service], options: Self.options(connection: 64 << 20, server: 1 << 20))
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer {
      service.goOn.store(true, ordering: .relaxed)
      server.shutDown()
    }
    try await blocking {
      let message = ScriptedService.message([UInt8](repeating: 1, count: 60_000))
      // Each has less than what makes a connection one of those to blame.
      let peers = try (0..<7).map { _ in
        let peer = try ScriptedPeer.client(of: address)
        peer.say(.headers(1, Self.request("/test.Buffers/Upload")))
        try peer.listenToPing(1)
        return peer
      }
      for peer in peers {
        for _ in 0..<4 { peer.say(Self.chunks(1, message[...])) }
        try peer.listenToPing()
      }
      let other = try ScriptedPeer.client(of: address)
      other.say(.headers(1, ScriptedService.request("Echo")), .data(1, ScriptedPeer.emptyMessage, ends: true))
      try other.listen("status") { $0.hasEnded(1) }
      #expect(other.field("grpc-status", of: 1) == "8")
      for peer in peers { #expect(!peer.hasEnded(1)) }
      service.goOn.store(true, ordering: .relaxed)
      for peer in peers {
        peer.say(.data(1, [], ends: true))
        try peer.listen("answer") { $0.hasEnded(1) }
        #expect(peer.field("grpc-status", of: 1) == "0")
      }
      try other.listenToPing(2)
      other.say(.headers(3, ScriptedService.request("Echo")), .data(3, ScriptedPeer.emptyMessage, ends: true))
      try other.listen("answer") { $0.hasEnded(3) }
      #expect(other.field("grpc-status", of: 3) == "0")
    }
  }

  @Test("above the server's limit the call with most waiting ends, of a connection that has much of it")
  func overServerLimit() async throws {
    let service = Counting()
    let server = Server(services: [service], options: Self.options(connection: 64 << 20, server: 1 << 20))
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer {
      service.goOn.store(true, ordering: .relaxed)
      server.shutDown()
    }
    try await blocking {
      let peer = try ScriptedPeer.client(of: address)
      let message = ScriptedService.message([UInt8](repeating: 1, count: 100_000))
      for (index, count) in [4, 3, 3, 2].enumerated() {
        let stream = UInt32(2 * index + 1)
        peer.say(.headers(stream, Self.request("/test.Buffers/Upload")))
        for _ in 0..<count { peer.say(Self.chunks(stream, message[...])) }
      }
      // Half of the limit is passed first.
      try peer.listen("narrow windows") { peer in peer.heard.contains { $0.payload == Self.narrowWindows } }
      try peer.listen("status") { $0.hasEnded(1) }
      #expect(peer.field("grpc-status", of: 1) == "8")
      #expect(peer.field("grpc-message", of: 1)?.contains("on all connections") == true)
      service.goOn.store(true, ordering: .relaxed)
      for stream: UInt32 in [3, 5, 7] {
        peer.say(.data(stream, [], ends: true))
        try peer.listen("answer") { $0.hasEnded(stream) }
        #expect(peer.field("grpc-status", of: stream) == "0")
      }
      #expect(peer.goAway == nil)
    }
  }

  @Test("what waited on a connection does not count any more when it is lost") func lost() async throws {
    let service = Counting()
    let server = Server(services: [service], options: Self.options(connection: 64 << 20))
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer {
      service.goOn.store(true, ordering: .relaxed)
      server.shutDown()
    }
    try await blocking {
      let peer = try ScriptedPeer.client(of: address)
      let message = ScriptedService.message([UInt8](repeating: 1, count: 100_000))
      for stream: UInt32 in [1, 3, 5] {
        peer.say(.headers(stream, Self.request("/test.Buffers/Upload")))
        for _ in 0..<4 { peer.say(Self.chunks(stream, message[...])) }
      }
      try peer.listenToPing()
      #expect(server.bufferedByteCount > 1 << 20)
    }
    // The peer is gone.
    try await eventually("nothing that counts as waiting") { server.bufferedByteCount == 0 }
  }

  @Test("handlers don't begin while their client takes nothing, and do when it has caught up") func behind()
    async throws
  {
    let service = Counting()
    let server = Server(services: [service], options: Self.options(connection: 16 << 20))
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let count = 100
    try await blocking {
      let peer = try ScriptedPeer.client(of: address, settings: [(4, 0x7fff_ffff)])
      peer.say(.windowUpdate(0, 0x7fff_ffff - 65535))
      for index in 0..<count {
        let stream = UInt32(2 * index + 1)
        peer.say(
          .headers(stream, Self.request("/test.Buffers/Large")), .data(stream, ScriptedPeer.emptyMessage, ends: true))
      }
      try peer.listen("an answer's beginning") { $0.heard.contains { $0.kind == .data } }
      // 8 MiB, what the kernel's buffers take, and what has been read.
      let started = service.started.load(ordering: .relaxed)
      #expect(started < 40, "of 100 MiB of responses")
      try peer.listen("all answers") { peer in
        (0..<count).allSatisfy { peer.field("grpc-status", of: UInt32(2 * $0 + 1)) == "0" }
      }
      #expect(service.started.load(ordering: .relaxed) == count)
    }
  }

  @Test("a client that is slowed down while it takes nothing costs others nothing, and gets on when it takes again")
  func slowedDownAndBehind() async throws {
    let service = Counting()
    let server = Server(services: [service], options: Self.options(connection: 4 << 20))
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    try await blocking {
      let peer = try ScriptedPeer.client(of: address)
      func request(_ index: Int) -> UInt32 { UInt32(2 * index + 1) }
      // 3 MiB of responses wait for a client that takes 64 KiB of each: what comes now does not begin.
      for index in 0..<6 {
        peer.say(
          .headers(request(index), Self.request("/test.Buffers/Large")),
          .data(request(index), ScriptedPeer.emptyMessage, ends: true))
      }
      try peer.listenToPing(1)
      #expect(service.started.load(ordering: .relaxed) < 6)
      let half = ScriptedService.message([UInt8](repeating: 1, count: 400_000)).prefix(250_000)
      for index in 6..<16 {
        peer.say(.headers(request(index), ScriptedService.request("Echo")))
        peer.say(Self.chunks(request(index), half))
      }
      try peer.listen("narrow windows") { peer in peer.heard.contains { $0.payload == Self.narrowWindows } }
      peer.say(.settingsAcknowledged)
      // All connections of this process may be on one loop: this one's, and another one's.
      try peer.listenToPing(2)
      let other = try ScriptedPeer.client(of: address)
      other.say(.headers(1, ScriptedService.request("Echo")), .data(1, ScriptedPeer.emptyMessage, ends: true))
      try other.listen("another one's answer") { $0.hasEnded(1) }
      peer.say(.windowUpdate(0, 0x7fff_ffff - 65535))
      for index in 0..<6 { peer.say(.windowUpdate(request(index), 2 << 20)) }
      try peer.listen("all responses") { peer in
        (0..<6).allSatisfy { peer.field("grpc-status", of: request($0)) == "0" }
      }
      let rest = ScriptedService.message([UInt8](repeating: 1, count: 400_000)).dropFirst(250_000)
      var isWide = false
      func hasRoom(_ stream: UInt32) -> Bool {
        let credit = peer.heard.filter { $0.kind == .windowUpdate && $0.stream == stream }
          .reduce(0) { $0 + $1.payload.reduce(0) { $0 << 8 | Int($1) } }
        return (isWide ? 512 << 10 : 16 << 10) + credit - half.count >= rest.count
      }
      for index in 6..<16 {
        while !hasRoom(request(index)) {
          try peer.listen("room for \(index)") { peer in
            hasRoom(request(index)) || !isWide && peer.heard.contains { $0.payload == Self.wideWindows }
          }
          if !isWide, peer.heard.contains(where: { $0.payload == Self.wideWindows }) {
            isWide = true
            peer.say(.settingsAcknowledged)
          }
        }
        peer.say(.windowUpdate(request(index), 1 << 20))
        peer.say(Self.chunks(request(index), rest, ends: true))
        try peer.listen("answer") { $0.field("grpc-status", of: request(index)) == "0" }
      }
    }
  }

  @Test("a channel's connection slows a server down whose responses nobody reads, and ends the largest above the limit")
  func channel() async throws {
    let listener = try ScriptedListener()
    var options = ChannelOptions()
    options.maxBufferedBytesPerConnection = 1 << 20
    let channel = try Channel("ipv4:127.0.0.1:\(listener.port)", options: options)
    let calls = (0..<4).map { _ in
      channel.serverStreaming(Self.download, [], options: CallOptions(timeout: .seconds(30)))
    }
    let peer = try await blocking {
      let peer = try listener.accept()
      func requests() -> [UInt32] { peer.heard.filter { $0.kind == .headers }.map(\.stream) }
      try peer.listen("requests") { _ in requests().count == 4 }
      let message = ScriptedService.message([UInt8](repeating: 1, count: 100_000))
      for (index, stream) in requests().enumerated() {
        peer.say(.headers(stream, [(":status", "200"), ("content-type", "application/grpc")]))
        for _ in 0..<(5 - index) { peer.say(Self.chunks(stream, message[...])) }
      }
      try peer.listen("narrow windows") { peer in
        peer.heard.contains { $0.kind == .settings && $0.payload == Self.narrowWindows }
      }
      try peer.listen("reset") { peer in peer.heard.contains { $0.kind == .reset } }
      #expect(peer.heard.filter { $0.kind == .reset }.map(\.stream) == [requests()[0]])
      return peer
    }
    #expect(!peer.isClosed)
    // Which of the calls has which stream is nobody's promise.
    let ends = AsyncStream.makeStream(of: Int.self)
    for index in calls.indices {
      Task { if await calls[index].status.code == .resourceExhausted { ends.continuation.yield(index) } }
    }
    var iterator = ends.stream.makeAsyncIterator()
    let ended = await iterator.next()
    for index in calls.indices where index != ended {
      var iterator = calls[index].makeAsyncIterator()
      #expect(try await iterator.next()?.count == 100_000)
    }
    for call in calls { call.cancel() }
  }

  @Test("a channel at its limit refuses new calls by itself, and takes them again") func channelLimit() async throws {
    let listener = try ScriptedListener()
    var options = ChannelOptions()
    options.maxBufferedBytes = 1 << 20
    let channel = try Channel("ipv4:127.0.0.1:\(listener.port)", options: options)
    async let accepted = blocking { try listener.accept() }
    let full = Task {
      try await channel.unary(
        ScriptedService.echo, [UInt8](repeating: 1, count: 3_000_000), options: CallOptions(timeout: .seconds(30)))
    }
    let peer = try await accepted
    try await blocking { try peer.listen("the request's beginning") { $0.heard.contains { $0.kind == .data } } }
    await #expect {
      try await channel.unary(ScriptedService.echo, [], options: CallOptions(timeout: .seconds(5)))
    } throws: {
      ($0 as? StatusError)?.message.contains("the channel is at its limit") == true
    }
    full.cancel()
    _ = await full.result
    async let heard: Void = blocking {
      try peer.listen("the next request") { $0.heard.filter { $0.kind == .headers }.count == 2 }
    }
    try await eventually("a call is not refused") {
      do throws(StatusError) {
        _ = try await channel.unary(ScriptedService.echo, [], options: CallOptions(timeout: .seconds(1)))
        return true
      } catch {
        #expect([.resourceExhausted, .deadlineExceeded].contains(error.code), "\(error)")
        return error.code == .deadlineExceeded
      }
    }
    try await heard
  }
}
