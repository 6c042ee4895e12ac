import Foundation
import Synchronization
import TestSupport
import Testing
import Volery
import VoleryProxy

@Suite("What a proxy forwards", .timeLimit(.minutes(1))) struct ForwardingTests {
  @Test("calls of all four kinds come through, without their .proto") func kinds() async throws {
    try await Stage.before(Echo()) { _, channel in
      #expect(try await channel.unary(Echo.unary, [1, 2, 3]).message == [1, 2, 3])
      let large = [UInt8](repeating: 7, count: 3 << 20)
      #expect(try await channel.unary(Echo.unary, large).message == large)
      #expect(try await channel.unary(Echo.unary, []).message == [])

      var count = 0
      for try await message in channel.serverStreaming(Echo.download, [1, 9]) {
        #expect(message == [9])
        count += 1
      }
      #expect(count == 100)

      let upload = channel.clientStreaming(Echo.upload)
      for _ in 0..<50 { try await upload.send([UInt8](repeating: 1, count: 10_000)) }
      upload.finish()
      #expect(try await upload.response == Array("500000".utf8))

      let chat = channel.bidirectional(Echo.chat)
      var responses = chat.makeAsyncIterator()
      for index in 0..<20 {
        try await chat.send([UInt8(index)])
        #expect(try await responses.next() == [UInt8(index)])
      }
      chat.finish()
      #expect(try await responses.next() == nil)
    }
  }

  @Test("metadata goes both ways as it is, and says where the call came through") func metadata() async throws {
    try await Stage.before(Echo()) { _, channel in
      var metadata: Metadata = ["x-in": "a", "x-forwarded-for": "10.1.2.3", "x-proxied-by": "other"]
      metadata.append("b", for: "x-in")
      metadata.append("10.4.5.6", for: "x-forwarded-for")
      metadata.append("another", for: "x-proxied-by")
      metadata.append(binary: Array(0...255), for: "x-in-bin")
      metadata.append(binary: [0], for: "x-in-bin")
      let response = try await channel.unary(Echo.metadata, [], options: CallOptions(metadata: metadata))
      #expect(response.initialMetadata["x-initial"] == "seen")
      #expect(response.initialMetadata.binaryValues("x-out-bin") == [Array(0...255), [0]])
      let seen = response.trailingMetadata
      #expect(seen.values("x-in-seen") == ["a", "b"])
      #expect(seen.binaryValues("x-out-bin") == [Array(0...255), [0]])
      #expect(seen.values("x-forwarded-for-seen") == ["10.1.2.3, 10.4.5.6, 127.0.0.1"])
      #expect(seen.values("x-proxied-by-seen") == ["other, another, volery-proxy"])
      #expect(seen.values("user-agent-seen").count == 1)
      // The client's own authority.
      #expect(String(decoding: response.message, as: UTF8.self) == "\(channel.target.endpoint)")
    }
  }

  @Test("a call has its own metadata, client and options of the proxy, whatever calls before it have said")
  func likeCalls() async throws {
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    var options = ProxyOptions()
    options.eventLoops = 1
    let route = ProxyRoute(to: ProxyTarget("\(bound)"))
    let proxy = try Proxy(routes: [route], options: options)
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("proxy-\(UUID().uuidString).sock").path
    let addresses = try proxy.start(listeningOn: .tcp("127.0.0.1", 0), .unix(path))
    let tcp = try Channel("\(addresses[0])")
    let unix = try Channel("unix:\(path)")

    func seen(by channel: Channel, _ metadata: Metadata) async throws -> Metadata {
      let options = CallOptions(metadata: metadata, timeout: .seconds(20))
      return try await channel.unary(Echo.metadata, [], options: options).trailingMetadata
    }
    for value in ["a", "a", "a", "b", "b", "a"] {
      for (channel, client) in [(tcp, "127.0.0.1"), (unix, "unix"), (tcp, "127.0.0.1")] {
        let seen = try await seen(by: channel, ["x-in": value])
        #expect(seen.values("x-in-seen") == [value])
        #expect(seen.values("x-forwarded-for-seen") == [client])
        #expect(seen.values("x-proxied-by-seen") == ["volery-proxy"])
      }
    }
    // Other things than metadata count as well.
    let through: Metadata = ["x-in": "a", "x-forwarded-for": "10.1.2.3"]
    for _ in 0..<2 {
      #expect(try await seen(by: tcp, through).values("x-forwarded-for-seen") == ["10.1.2.3, 127.0.0.1"])
    }
    #expect(try await seen(by: tcp, Metadata()).values("x-in-seen") == [])
    // What holds from now on holds for calls like those before.
    options.name = "edge"
    try proxy.update(routes: [route], options: options)
    for _ in 0..<2 { #expect(try await seen(by: tcp, Metadata()).values("x-proxied-by-seen") == ["edge"]) }
    options.maxHops = 1
    try proxy.update(routes: [route], options: options)
    let error = await #expect(throws: StatusError.self) { _ = try await seen(by: tcp, ["x-proxied-by": "other"]) }
    #expect(error?.code == .internal)
    await proxy.drain(limit: .zero)
  }

  @Test("a failed call keeps its status, its text and its trailing metadata") func failure() async throws {
    try await Stage.before(Echo()) { _, channel in
      let error = await #expect(throws: StatusError.self) {
        _ = try await channel.unary(Echo.fail, Array("ünusual 100 %".utf8))
      }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.status.message == "ünusual 100 %")
      #expect(error?.metadata["reason"] == "asked")
      let unknown = Method<[UInt8], [UInt8]>(service: "test.Echo", name: "Nothing", kind: .unary)
      let missing = await #expect(throws: StatusError.self) { _ = try await channel.unary(unknown, []) }
      #expect(missing?.code == .unimplemented)
    }
  }

  @Test("a call is a line of the access log, with its server and the bytes each way") func accessLog() async throws {
    let recorder = LogRecorder()
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let stage = try Stage(to: "\(bound)") { $0.accessLog = .full(recorder.logger) }
    let channel = try Channel(stage.target)
    let secret = CallOptions(metadata: ["authorization": "secret token", "x-secret": "1"])
    _ = try await channel.unary(Echo.unary, [1, 2, 3], options: secret)
    await #expect(throws: StatusError.self) {
      _ = try await channel.unary(Echo.fail, Array("not this one".utf8), options: secret)
    }
    try await recorder.lines(containing: "call", count: 2)
    let lines = recorder.lines
    #expect(
      lines[0].contains("/test.Echo/Unary") && lines[0].contains("OK") && lines[0].contains("\(bound)"), "\(lines)")
    #expect(lines[0].contains("request-bytes: 8") && lines[0].contains("response-bytes: 8"), "\(lines)")
    #expect(lines[1].contains("FAILED_PRECONDITION") && lines[1].contains("not this one"), "\(lines)")
    #expect(!recorder.lines.contains { $0.contains("secret") || $0.contains("reason") }, "\(lines)")
    await stage.proxy.drain(limit: .zero)
  }

  @Test("the proxy's own services are its own") func ownServices() async throws {
    try await Stage.before(Echo()) { stage, channel in
      let check = Method<[UInt8], [UInt8]>(service: "grpc.health.v1.Health", name: "Check", kind: .unary)
      // SERVING, although the server behind has no such service.
      let answer = try await channel.unary(check, [])
      #expect(answer.message == [8, 1])
    }
  }

  @Test("a client that reads nothing holds up its own server, and no more than the windows are in the proxy")
  func slowClient() async throws {
    let written = Atomic<Int>(0)
    var echo = Echo()
    echo.downloaded = { _ = written.add(1, ordering: .relaxed) }
    try await Stage.before(echo) { stage, channel in
      let peer = try ScriptedPeer.client(of: stage.scriptedAddress)
      let request: [UInt8] = [0] + withUnsafeBytes(of: UInt32(100_001).bigEndian, Array.init) + [255]
      peer.say(
        .headers(1, ScriptedPeer.request(path: "/test.Echo/Download")),
        .data(1, request + [UInt8](repeating: 1, count: 10_000)))
      for _ in 0..<9 { peer.say(.data(1, [UInt8](repeating: 1, count: 10_000))) }
      peer.say(.data(1, [], ends: true))
      try await settled("responses") { written.load(ordering: .relaxed) }
      // 100 KB each: the windows of both connections, and what the kernel holds.
      #expect(written.load(ordering: .relaxed) * 100_000 < 8 << 20)
      // Other calls go on.
      #expect(try await channel.unary(Echo.unary, [1]).message == [1])
      withExtendedLifetime(peer) {}
    }
  }
}
