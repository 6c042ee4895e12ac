import Foundation
import TestSupport
import Testing
import Volery

/// A server as a process of its own, whose memory is looked at from outside, before and after clients that announce much or
/// send much, and go.
@Suite("Memory under attack", .serialized, .timeLimit(.minutes(2))) struct MemoryAttackTests {
  private struct Memory {
    var virtual: Int
    var resident: Int
  }

  private final class AttackedServer: Sendable {
    let process: ChildProcess
    let address: SocketAddress

    init() throws {
      let program = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("volery-interop").path
      process = try ChildProcess([program, "server", "--bind", "127.0.0.1:0"])
      let line = try process.readLine().line
      let port = try #require(line.split(separator: ":").last.flatMap { Int($0) }, "\(program): \(line)")
      address = .tcp("127.0.0.1", port)
    }

    func memory() throws -> Memory {
      let text = try String(contentsOfFile: "/proc/\(process.pid)/statm", encoding: .utf8)
      let pages = text.split(separator: " ").compactMap { Int($0) }
      return Memory(virtual: pages[0] * 4096, resident: pages[1] * 4096)
    }
  }

  private static let request = ScriptedPeer.request.map {
    $0.0 == ":path" ? ($0.0, "/grpc.testing.TestService/UnaryCall") : $0
  }
  /// Of a message of 4 MiB.
  private static let prefix: [UInt8] = [0, 0, 0x40, 0, 0]

  /// A server that has had a connection, so that what each process has but once is there.
  private func serverInUse() async throws -> AttackedServer {
    let server = try AttackedServer()
    let address = server.address
    try await blocking {
      let peer = try ScriptedPeer.client(of: address)
      peer.say(.headers(1, Self.request), .data(1, ScriptedPeer.emptyMessage, ends: true))
      try peer.listen("answer") { $0.hasEnded(1) }
    }
    return server
  }

  @Test("900 streams that announce 4 MiB each take no memory for it") func announcement() async throws {
    let server = try await serverInUse()
    let before = try server.memory()
    let address = server.address
    let peer = try await blocking {
      let peer = try ScriptedPeer.client(of: address)
      for index in 0..<900 {
        let stream = UInt32(2 * index + 1)
        peer.say(.headers(stream, Self.request), .data(stream, Self.prefix))
      }
      try peer.listenToPing()
      return peer
    }
    let during = try server.memory()
    // One arena of malloc for the connection's loop is 64 MiB of address space.
    #expect(during.virtual - before.virtual < 200 << 20, "of 3,600 MiB announced")
    #expect(during.resident - before.resident < 10 << 20)
    #expect(!peer.isClosed)
    #expect(server.process.stop(SIGKILL) == 128 + SIGKILL)
  }

  @Test("60 streams filled to just under 4 MiB are slowed down, and leave nothing behind") func halves() async throws {
    let server = try await serverInUse()
    let before = try server.memory()
    let address = server.address
    let during = try await blocking {
      let peer = try ScriptedPeer.client(of: address)
      try fill(peer, streams: 60, upTo: 4 << 20 - 1000, for: 4)
      return try server.memory()
    }
    #expect(during.resident - before.resident < 100 << 20, "of 240 MiB")
    // The connection is closed. A second, and a little for giving it back.
    let limit = Double(before.resident) * 1.2
    try await eventually("memory within 20 % of before") {
      (try? server.memory()).map { Double($0.resident) < limit } ?? false
    }
    #expect(server.process.stop(SIGKILL) == 128 + SIGKILL)
  }
}

/// Sends as much as the windows allow, of each stream in turn, until nothing has gone for a second, or for so many seconds.
private func fill(_ peer: ScriptedPeer, streams count: Int, upTo size: Int, for seconds: Double) throws {
  var windows: [UInt32: Int] = [0: 65535]
  var initial = 65535
  var next = 0
  var announcements = 0
  var ended: Set<UInt32> = []
  func take() {
    while next < peer.heard.count {
      let frame = peer.heard[next]
      next += 1
      if frame.endsStream || frame.kind == .reset { ended.insert(frame.stream) }
      if frame.kind == .windowUpdate {
        windows[frame.stream, default: 0] += frame.payload.reduce(0) { $0 << 8 | Int($1) }
      } else if frame.kind == .settings, frame.flags == 0 {
        for entry in stride(from: 0, to: frame.payload.count, by: 6) where frame.payload[entry + 1] == 4 {
          let value = frame.payload[(entry + 2)..<(entry + 6)].reduce(0) { $0 << 8 | Int($1) }
          for stream in windows.keys where stream > 0 { windows[stream]! += value - initial }
          initial = value
        }
        announcements += 1
        // The first has been acknowledged.
        if announcements > 1 { peer.say(.settingsAcknowledged) }
      }
    }
  }
  take()
  var sent: [UInt32: Int] = [:]
  for index in 0..<count {
    let stream = UInt32(2 * index + 1)
    windows[stream] = initial
    sent[stream] = 0
    peer.say(
      .headers(
        stream, ScriptedPeer.request.map { $0.0 == ":path" ? ($0.0, "/grpc.testing.TestService/UnaryCall") : $0 }))
  }
  let piece = [UInt8](repeating: 1, count: 16384)
  let end = Date().addingTimeInterval(seconds)
  var ping: UInt64 = 100
  while Date() < end {
    for stream in sent.keys.sorted() where !ended.contains(stream) {
      let room = min(16384, size - sent[stream]!, windows[stream]!, windows[0]!)
      guard room > 0 else { continue }
      let payload = sent[stream] == 0 ? [0, 0, 0x40, 0, 0] + piece.prefix(room - 5) : Array(piece.prefix(room))
      peer.say(.data(stream, payload))
      sent[stream]! += room
      windows[stream]! -= room
      windows[0]! -= room
    }
    ping += 1
    try peer.listenToPing(ping)
    take()
  }
}
