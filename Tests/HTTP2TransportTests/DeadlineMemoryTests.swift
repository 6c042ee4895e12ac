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

  /// Whether the memory in use comes to be so much more than `before` while the calls have their time.
  private func waits(_ byteCount: Int, above before: Int, within time: Duration) async throws -> Bool {
    do {
      try await eventually("\(byteCount) bytes wait", within: time) { heapInUse() - before > byteCount }
      return true
    } catch is NeverHappened {
      return false
    }
  }

  @Test("a client's, where the server reads nothing") func client() async throws {
    try await givenTime("100 MiB wait", from: .milliseconds(2500), client)
  }

  private func client(_ time: Duration) async throws -> Bool {
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
                ScriptedService.echo, message, options: CallOptions(timeout: time))
              return nil
            } catch {
              return error.code
            }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
    }
    let isEnough = try await waits(90 << 20, above: before, within: time)
    #expect(await calls.value == Array(repeating: .deadlineExceeded, count: 100))
    try await eventually("memory as before") { heapInUse() - before < 4 << 20 }
    #expect(!peer.isClosed)
    return isEnough
  }

  @Test("a server's, where the client reads nothing, of one response and of streams", arguments: ["Large", "Flood"])
  func server(_ method: String) async throws {
    try await givenTime("20 MiB wait", from: .milliseconds(1500)) { try await server(method, $0) }
  }

  private func server(_ method: String, _ time: Duration) async throws -> Bool {
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
      let fields =
        ScriptedPeer.request.map { $0.0 == ":path" ? ($0.0, path) : $0 } + [("grpc-timeout", "\(time.milliseconds)m")]
      let stream = UInt32(2 * index + 1)
      peer.say(
        .headers(stream, fields), .data(stream, ScriptedService.message(Array("1048576".utf8)), ends: true))
    }
    guard try await waits(20 << 20, above: before, within: time) else { return false }
    try await eventually("memory as before") { heapInUse() - before < 4 << 20 }
    try await eventually("nothing that counts as waiting") { server.bufferedByteCount < 256 << 10 }
    if method == "Flood" {
      try await eventually("every writer's error") { stubborn.failedWrites.load(ordering: .relaxed) == count }
    } else {
      try await eventually("no call is left") { server.dispatcher.callCount == 0 }
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
    return true
  }

  @Test("a server's halves of requests") func halves() async throws {
    try await givenTime("the halves wait", from: .milliseconds(1500), halves)
  }

  private func halves(_ time: Duration) async throws -> Bool {
    let server = Server(services: [ScriptedService()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let peer = try await blocking { try ScriptedPeer.client(of: address) }
    let before = heapInUse()
    let half = Array(ScriptedService.message([UInt8](repeating: 1, count: 255_000)).prefix(250_000))
    try await blocking {
      for stream in stride(from: UInt32(1), through: 27, by: 2) {
        peer.say(.headers(stream, ScriptedService.request("Echo") + [("grpc-timeout", "\(time.milliseconds)m")]))
        for start in stride(from: 0, to: half.count, by: 16384) {
          peer.say(.data(stream, Array(half[start..<min(start + 16384, half.count)])))
        }
      }
    }
    guard try await waits(3 << 20, above: before, within: time) else { return false }
    try await eventually("memory as before") { heapInUse() - before < 1 << 20 }
    try await blocking { try peer.listen("status") { $0.hasEnded(27) } }
    #expect(peer.field("grpc-status", of: 1) == "4")
    return true
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
    try await givenTime("the responses wait", from: .milliseconds(2000), unreadResponses)
  }

  private func unreadResponses(_ time: Duration) async throws -> Bool {
    let listener = try ScriptedListener()
    let channel = try Channel("ipv4:127.0.0.1:\(listener.port)")
    async let accepted = blocking { try listener.accept(settings: Self.wideSettings) }
    await #expect(throws: StatusError.self) {
      try await channel.unary(ScriptedService.echo, [], options: CallOptions(timeout: .milliseconds(300)))
    }
    let peer = try await accepted
    let before = heapInUse()
    let calls = (0..<8).map { _ in
      channel.serverStreaming(Self.flood, [], options: CallOptions(timeout: time))
    }
    let hasAll = try await blocking {
      func requests() -> [UInt32] { peer.heard.filter { $0.kind == .headers && $0.stream > 1 }.map(\.stream) }
      try peer.listen("8 requests", orClosed: true) { peer in
        requests().count == 8 || peer.heard.contains { $0.kind == .reset && $0.stream > 1 }
      }
      guard requests().count == 8 else { return false }
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
      return true
    }
    guard hasAll else { return false }
    let isEnough = try await waits(3 << 20, above: before, within: time)
    for call in calls { #expect(await call.status.code == .deadlineExceeded) }
    try await eventually("memory as before") { heapInUse() - before < 1 << 20 }
    _ = calls
    return isEnough
  }

  @Test("of both sides, on each way, where the handler reads nothing", arguments: Way.allCases)
  func everyWay(_ way: Way) async throws {
    try await givenTime("10 MiB wait", from: .milliseconds(2000)) { try await everyWay(way, $0) }
  }

  private func everyWay(_ way: Way, _ time: Duration) async throws -> Bool {
    let stubborn = Stubborn()
    var isEnough = false
    try await Stage.with(way, services: [stubborn]) { stage in
      defer { stubborn.goOn.store(true, ordering: .relaxed) }
      let warm = stage.channel.bidirectional(Self.all, options: CallOptions(timeout: .milliseconds(300)))
      _ = await warm.status
      let before = heapInUse()
      let calls = (0..<10).map { _ in
        stage.channel.bidirectional(Self.all, options: CallOptions(timeout: time))
      }
      let writers = calls.map { call in
        Task { () async -> StatusCode? in
          do throws(StatusError) {
            while true { try await call.send([UInt8](repeating: UInt8.random(in: 0...255), count: 1 << 20)) }
          } catch { return error.code }
        }
      }
      isEnough = try await waits(10 << 20, above: before, within: time)
      for writer in writers { #expect(await writer.value == .deadlineExceeded) }
      // Each end of a connection keeps its buffers for output, TLS besides.
      try await eventually("memory as before") { heapInUse() - before < 5 << 20 }
      _ = calls
    }
    return isEnough
  }
}

extension Duration {
  fileprivate var milliseconds: Int { Int(self / .milliseconds(1)) }
}
