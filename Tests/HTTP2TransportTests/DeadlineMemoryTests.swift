import CLibUV
import Foundation
import Synchronization
import TestSupport
import Testing
import Volery

/// What malloc has handed out and not got back, in bytes.
func heapInUse() -> Int {
  let info = mallinfo2()
  return info.uordblks + info.hblkhd
}

/// After a call's deadline nothing of it is kept, whoever has stopped reading.
@Suite("Memory after deadlines", .serialized, .timeLimit(.minutes(1))) struct DeadlineMemoryTests {
  private static let all = Method<[UInt8], [UInt8]>(service: "test.Memory", name: "All", kind: .bidirectional)
  private static let flood = Method<[UInt8], [UInt8]>(service: "test.Memory", name: "Flood", kind: .serverStreaming)

  /// Its handlers heed nothing until they are let go on.
  private final class Stubborn: Service {
    let goOn = Atomic<Bool>(false)
    /// Handlers whose `write` has failed.
    let failedWrites = Atomic<Int>(0)

    private func waitStubbornly() async {
      while !goOn.load(ordering: .relaxed) {
        await withCheckedContinuation { continuation in
          DispatchQueue.global().asyncAfter(deadline: .now() + 0.02) { continuation.resume() }
        }
      }
    }

    var handlers: [MethodHandler] {
      [
        // Neither reads nor writes.
        .bidirectional(DeadlineMemoryTests.all) { [self] _, _, _ in await waitStubbornly() },
        // Writes without end.
        .serverStreaming(DeadlineMemoryTests.flood) { [self] _, writer, _ in
          do {
            while true { try await writer.write([UInt8](repeating: 1, count: 1 << 20)) }
          } catch {
            failedWrites.add(1, ordering: .relaxed)
            await waitStubbornly()
          }
        },
      ]
    }
  }

  private static let wideSettings: [(UInt16, UInt32)] = [(3, 1000), (4, 0x7fff_ffff)]
  private static let wideWindow = ScriptedFrame.windowUpdate(0, 0x7fff_ffff - 65535)
  private static let megabyte = [UInt8](repeating: 1, count: 1 << 20)

  @Test("a client's, where the server reads nothing") func client() async throws {
    let listener = try ScriptedListener()
    let channel = try Channel("ipv4:127.0.0.1:\(listener.port)")
    async let accepted = blocking {
      let peer = try listener.accept(settings: Self.wideSettings)
      peer.say(Self.wideWindow)
      return peer
    }
    let first = try? await channel.unary(ScriptedService.echo, [], options: CallOptions(timeout: .milliseconds(300)))
    #expect(first == nil)
    let peer = try await accepted
    let before = heapInUse()
    let calls = Task {
      await withTaskGroup(of: StatusCode?.self) { group in
        for _ in 0..<100 {
          group.addTask {
            do throws(StatusError) {
              // A message of its own for each.
              let message = [UInt8](repeating: UInt8.random(in: 0...255), count: 1 << 20)
              _ = try await channel.unary(
                ScriptedService.echo, message, options: CallOptions(timeout: .milliseconds(2500)))
              return nil
            } catch {
              return error.code
            }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
    }
    try await eventually("100 MiB that wait") { heapInUse() - before > 90 << 20 }
    #expect(await calls.value == Array(repeating: .deadlineExceeded, count: 100))
    try await eventually("memory as before, \((heapInUse() - before) >> 20) MiB more", within: .seconds(2)) {
      heapInUse() - before < 4 << 20
    }
    #expect(!peer.isClosed)
  }

  @Test("a server's, where the client reads nothing, of one response and of streams", arguments: ["Large", "Flood"])
  func server(_ method: String) async throws {
    let stubborn = Stubborn()
    let server = Server(services: [ScriptedService(), stubborn])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer {
      stubborn.goOn.store(true, ordering: .relaxed)
      server.shutDown()
    }
    let peer = try await blocking {
      let peer = try ScriptedPeer.client(of: address, settings: Self.wideSettings)
      peer.say(Self.wideWindow)
      try peer.listenToPing()
      return peer
    }
    let before = heapInUse()
    let path = method == "Large" ? "/test.Scripted/Large" : "/test.Memory/Flood"
    let count = 28
    for index in 0..<count {
      let fields = ScriptedPeer.request.map { $0.0 == ":path" ? ($0.0, path) : $0 } + [("grpc-timeout", "1500m")]
      let stream = UInt32(2 * index + 1)
      peer.say(
        .headers(stream, fields), .data(stream, ScriptedService.message(Array("1048576".utf8)), ends: true))
    }
    try await eventually("20 MiB that wait") { heapInUse() - before > 20 << 20 }
    try await eventually("memory as before") { heapInUse() - before < 4 << 20 }
    try await eventually("nothing that counts as waiting") { server.bufferedByteCount < 256 << 10 }
    if method == "Flood" {
      try await eventually("every writer's error") { stubborn.failedWrites.load(ordering: .relaxed) == count }
    } else {
      #expect(server.dispatcher.callCount == 0)
    }
    #expect(!peer.isClosed)
    // The connection lives, and says what became of the calls, once its client reads.
    try await blocking {
      try peer.listen("end of every stream") { peer in (0..<count).allSatisfy { peer.hasEnded(UInt32(2 * $0 + 1)) } }
      peer.say(
        .headers(1001, ScriptedService.request("Echo")), .data(1001, ScriptedPeer.emptyMessage, ends: true))
      try peer.listen("answer") { $0.hasEnded(1001) }
      #expect(peer.field("grpc-status", of: 1001) == "0")
    }
  }

  @Test("a server's halves of requests") func halves() async throws {
    let server = Server(services: [ScriptedService()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let peer = try await blocking { try ScriptedPeer.client(of: address) }
    let before = heapInUse()
    let half = Array(ScriptedService.message([UInt8](repeating: 1, count: 255_000)).prefix(250_000))
    try await blocking {
      for stream in stride(from: UInt32(1), through: 27, by: 2) {
        peer.say(.headers(stream, ScriptedService.request("Echo") + [("grpc-timeout", "1500m")]))
        for start in stride(from: 0, to: half.count, by: 16384) {
          peer.say(.data(stream, Array(half[start..<min(start + 16384, half.count)])))
        }
      }
    }
    try await eventually("what was sent") { heapInUse() - before > 3 << 20 }
    try await eventually("memory as before") { heapInUse() - before < 1 << 20 }
    try await blocking { try peer.listen("status") { $0.hasEnded(27) } }
    #expect(peer.field("grpc-status", of: 1) == "4")
  }

  @Test("halves of requests that a client has reset, where the handlers run on") func resetHalves() async throws {
    let stubborn = Stubborn()
    let server = Server(services: [ScriptedService(), stubborn])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer {
      stubborn.goOn.store(true, ordering: .relaxed)
      server.shutDown()
    }
    let peer = try await blocking { try ScriptedPeer.client(of: address) }
    let before = heapInUse()
    let half = Array(ScriptedService.message([UInt8](repeating: 1, count: 255_000)).prefix(250_000))
    let streams = Array(stride(from: UInt32(1), through: 27, by: 2))
    try await blocking {
      for stream in streams {
        peer.say(.headers(stream, ScriptedPeer.request.map { $0.0 == ":path" ? ($0.0, "/test.Memory/All") : $0 }))
        for start in stride(from: 0, to: half.count, by: 16384) {
          peer.say(.data(stream, Array(half[start..<min(start + 16384, half.count)])))
        }
      }
    }
    try await eventually("what was sent") { heapInUse() - before > 3 << 20 }
    try await blocking { for stream in streams { peer.say(.reset(stream, 8)) } }
    try await eventually("memory as before") { heapInUse() - before < 1 << 20 }
    #expect(server.dispatcher.callCount == streams.count)
  }

  @Test("what a client's streams have received, where the caller reads nothing but holds the call")
  func unreadResponses() async throws {
    let listener = try ScriptedListener()
    let channel = try Channel("ipv4:127.0.0.1:\(listener.port)")
    async let accepted = blocking { try listener.accept(settings: Self.wideSettings) }
    await #expect(throws: StatusError.self) {
      try await channel.unary(ScriptedService.echo, [], options: CallOptions(timeout: .milliseconds(300)))
    }
    let peer = try await accepted
    let before = heapInUse()
    let calls = (0..<8).map { _ in
      channel.serverStreaming(Self.flood, [], options: CallOptions(timeout: .milliseconds(2000)))
    }
    try await blocking {
      func requests() -> [UInt32] { peer.heard.filter { $0.kind == .headers && $0.stream > 1 }.map(\.stream) }
      try peer.listen("8 requests") { _ in requests().count == 8 }
      let message = ScriptedService.message([UInt8](repeating: 1, count: 100_000))
      let half = ScriptedService.message([UInt8](repeating: 1, count: 210_000))
      for stream in requests() {
        peer.say(.headers(stream, [(":status", "200"), ("content-type", "application/grpc")]))
        for count in [message.count, message.count, 200_000] {
          for start in stride(from: 0, to: count, by: 16384) {
            let source = count == message.count ? message : half
            peer.say(.data(stream, Array(source[start..<min(start + 16384, count)])))
          }
        }
      }
    }
    try await eventually("what was sent") { heapInUse() - before > 3 << 20 }
    for call in calls { #expect(await call.status.code == .deadlineExceeded) }
    try await eventually("memory as before") { heapInUse() - before < 1 << 20 }
    _ = calls
  }

  @Test("of both sides, on each way, where the handler reads nothing", arguments: Way.allCases)
  func everyWay(_ way: Way) async throws {
    let stubborn = Stubborn()
    try await Stage.with(way, services: [stubborn]) { stage in
      defer { stubborn.goOn.store(true, ordering: .relaxed) }
      let warm = stage.channel.bidirectional(Self.all, options: CallOptions(timeout: .milliseconds(300)))
      _ = await warm.status
      let before = heapInUse()
      let calls = (0..<10).map { _ in
        stage.channel.bidirectional(Self.all, options: CallOptions(timeout: .milliseconds(2000)))
      }
      let writers = calls.map { call in
        Task { () async -> StatusCode? in
          do throws(StatusError) {
            while true { try await call.send([UInt8](repeating: UInt8.random(in: 0...255), count: 1 << 20)) }
          } catch { return error.code }
        }
      }
      try await eventually("10 MiB that wait") { heapInUse() - before > 10 << 20 }
      for writer in writers { #expect(await writer.value == .deadlineExceeded) }
      // Each end of a connection keeps its buffers for output, TLS besides.
      try await eventually("memory as before") { heapInUse() - before < 5 << 20 }
      _ = calls
    }
  }
}
