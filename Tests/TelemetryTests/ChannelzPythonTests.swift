import Foundation
import TestSupport
import Testing
import Volery
import VoleryChannelz

/// grpcio-channelz's client reads what our programs say.
@Suite("channelz by grpcio's client", .serialized, .timeLimit(.minutes(5))) struct ChannelzPythonTests {
  @Test("a channel to three servers: states, calls and messages are what was called, in pages of one and of many")
  func threeServers() async throws {
    let stage = try ChannelzStage()
    defer { stage.stop() }
    var servers: [(server: Server, address: SocketAddress)] = []
    for _ in 0..<3 {
      let server = Server(services: [Subject()], options: stage.serverOptions)
      servers.append((server, try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]))
    }
    defer { for (server, _) in servers { server.shutDown() } }
    let target = "ipv4:" + servers.map(\.address.description).joined(separator: ",")
    let channel = try Channel(target, options: stage.channelOptions)
    defer { channel.close() }
    for number in 0..<30 { _ = try await channel.unary(Subject.echo, [UInt8(number)], options: Subject.timely) }
    for _ in 0..<3 {
      await #expect(throws: StatusError.self) { try await channel.unary(Subject.missing, [], options: Subject.timely) }
    }
    let chat = channel.bidirectional(Subject.chat, options: Subject.timely)
    for number in 0..<5 { try await chat.send([UInt8(number)]) }
    chat.finish()
    for try await _ in chat {}
    try await eventually("all servers have heard of the ends") {
      let dump = try stage.dump()
      return dump.servers.reduce(0) { $0 + $1.data.succeeded + $1.data.failed } == 34
    }

    let dump = try stage.dump()
    let top = try #require(dump.channels.first)
    #expect(dump.channels.count == 1 && dump.channelPages == 1 && dump.serverPages == 1)
    #expect(top.target == "\(channel.target)" && top.state == "READY")
    #expect((top.data.started, top.data.succeeded, top.data.failed) == (34, 31, 3))
    #expect(top.data.hasTime)
    #expect(top.data.events.contains { $0.text.hasPrefix("resolved to 3 endpoints") && $0.severity == "CT_INFO" })
    #expect(top.subchannels.count == 3 && dump.servers.count == 3)
    #expect(Set(top.data.events.map(\.child)).subtracting([0]) == Set(top.subchannels.map(\.id)))
    #expect(Set(dump.ids).count == dump.ids.count, "an id stands for one thing")
    for subchannel in top.subchannels {
      let server = try #require(dump.servers.first { $0.listeners.first?.local == subchannel.target })
      let here = try #require(subchannel.sockets.first)
      let there = try #require(server.sockets.first)
      #expect(subchannel.state == "READY" && subchannel.sockets.count == 1 && server.sockets.count == 1)
      #expect(subchannel.data.started == server.data.started && subchannel.data.failed == server.data.failed)
      #expect(
        subchannel.data.started > 3 && here.streams == there.streams && here.streams[0] == subchannel.data.started)
      // NOT_FOUND came from the server: its stream ended as it should.
      #expect(here.streams[2] == 0)
      #expect(here.messages == [there.messages[1], there.messages[0]] && here.messages[0] >= subchannel.data.started)
      #expect(here.remote == subchannel.target && here.remote == there.local && here.local == there.remote)
      #expect(here.times == [true, false, true, true] && there.times == [false, true, true, true])
      #expect(here.windows.allSatisfy { $0 > 0 } && there.windows.allSatisfy { $0 > 0 })
      #expect(here.maxStreams > 0 && there.maxStreams == 0 && here.cipher.isEmpty)
    }
    #expect(top.subchannels.flatMap(\.sockets).reduce(0) { $0 + $1.messages[0] } == 38)
    let paged = try stage.dump(pageSize: 1)
    #expect(paged.ids == dump.ids && paged.serverPages == 3)
  }

  @Test("a server that is lost is seen as TRANSIENT_FAILURE with its reason; what is gone is NOT_FOUND")
  func lostServer() async throws {
    let stage = try ChannelzStage()
    defer { stage.stop() }
    let (first, second) = (
      Server(services: [Subject()], options: stage.serverOptions),
      Server(services: [Subject()], options: stage.serverOptions)
    )
    defer { for server in [first, second] { server.shutDown() } }
    let lost = try first.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let other = try second.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let channel = try Channel("ipv4:\(lost),\(other)", options: stage.channelOptions)
    defer { channel.close() }
    for _ in 0..<8 { _ = try await channel.unary(Subject.echo, [1], options: Subject.timely) }
    try await eventually("both are there") {
      try stage.dump().channels[0].subchannels.allSatisfy { $0.state == "READY" }
    }
    let before = try stage.dump()
    let socket = try #require(before.channels[0].subchannels.first { $0.target == "\(lost)" }?.sockets.first)
    first.shutDown()
    try await eventually("the loss is seen") {
      // Calls ask for a connection again; one that is on its way to the lost server fails.
      do { _ = try await channel.unary(Subject.echo, [1], options: Subject.timely) } catch {}
      return try stage.dump().channels[0].subchannels.contains { $0.state == "TRANSIENT_FAILURE" }
    }
    let after = try stage.dump()
    let subchannel = try #require(after.channels[0].subchannels.first { $0.target == "\(lost)" })
    #expect(subchannel.state == "TRANSIENT_FAILURE" && subchannel.sockets.isEmpty)
    #expect(subchannel.data.events.contains { $0.text.contains("is closed") })
    #expect(
      subchannel.data.events.contains {
        $0.severity == "CT_WARNING" && $0.text.hasPrefix("connecting to \(lost) failed: ")
      })
    #expect(after.channels[0].state == "READY")
    #expect(after.servers.count == 1 && after.servers[0].listeners[0].local == "\(other)")
    #expect(try stage.code(ofSocket: socket.id) == "NOT_FOUND")
    #expect(try stage.code(ofSocket: after.servers[0].sockets[0].id) == "OK")
  }

  @Test("unknown, negative and huge numbers are answered with a status, never with less") func badRequests()
    async throws
  {
    let stage = try ChannelzStage()
    defer { stage.stop() }
    for line in try stage.codes() {
      let expected =
        switch (line[0], line[1].hasPrefix("-")) {
        case ("size", true): "INVALID_ARGUMENT"
        case ("size", false), ("start", _): "OK"
        default: "NOT_FOUND"
        }
      #expect(line[2] == expected, "\(line)")
    }
  }
}
