import Synchronization
import TestSupport
import Testing
import Volery

@testable import VoleryServer

/// Calls of one method that come in the same turn of a loop: one task answers them, one after another.
@Suite("Calls of one turn", .timeLimit(.minutes(1))) struct CallsOfOneTurnTests {
  private static let method = Method<[UInt8], [UInt8]>(service: "test.Scripted", name: "Echo", kind: .unary)

  /// The calls in the order in which their handlers began.
  private final class Seen: Sendable {
    private struct Call {
      weak var call: ServerCall?
      var wasCancelled: Bool?
    }
    private let calls = Mutex<[Call]>([])

    /// Returns its number.
    func begins(_ context: ServerContext) -> Int {
      let call = context.call
      return calls.withLock { calls in
        calls.append(Call(call: call))
        return calls.count - 1
      }
    }
    func ends(_ number: Int, wasCancelled: Bool) { calls.withLock { $0[number].wasCancelled = wasCancelled } }
    var count: Int { calls.withLock { $0.count } }
    var wereCancelled: [Bool?] { calls.withLock { $0.map(\.wasCancelled) } }
    /// Whether something still refers to them.
    var areAlive: [Bool] { calls.withLock { $0.map { $0.call != nil } } }
  }

  private struct Scripted: Service {
    let handler: @Sendable ([UInt8], ServerContext) async throws -> [UInt8]
    var handlers: [MethodHandler] { [.unary(CallsOfOneTurnTests.method, handler)] }
  }

  private static func frames(_ streams: UInt32...) -> [ScriptedFrame] {
    streams.flatMap {
      [.headers($0, ScriptedPeer.request), .data($0, ScriptedPeer.emptyMessage, ends: true)]
    }
  }

  /// A server, and a client that says what a test wants.
  private static func with(
    _ handler: @escaping @Sendable ([UInt8], ServerContext) async throws -> [UInt8],
    _ body: (ScriptedPeer) async throws -> Void
  ) async throws {
    let server = Server(services: [Scripted(handler: handler)])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    try await body(try await blocking { try ScriptedPeer.client(of: address) })
  }

  /// Waits until so many calls are answered. Returns what their statuses are, by their streams.
  private static func answers(_ count: Int, _ peer: ScriptedPeer) async throws -> [UInt32: String] {
    try await blocking {
      func statuses() -> [UInt32: String] {
        var found: [UInt32: String] = [:]
        for block in peer.blocks {
          if let status = block.fields.first(where: { $0.0 == "grpc-status" }) { found[block.stream] = status.1 }
        }
        return found
      }
      try peer.listen("\(count) answers") { _ in statuses().count >= count }
      return statuses()
    }
  }

  @Test("a handler that waits holds up no other call, and keeps none that was answered before it")
  func waiting() async throws {
    let seen = Seen()
    let (opened, open) = AsyncStream.makeStream(of: Void.self)
    try await Self.with { request, context in
      switch seen.begins(context) {
      case 0: return request
      case 1: throw StatusError(.notFound, "not here")
      case 2: for await _ in opened {}
      default: break
      }
      return request
    } _: { peer in
      peer.say(Self.frames(1, 3, 5, 7))
      #expect(try await Self.answers(3, peer) == [1: "0", 3: "5", 7: "0"])
      try await eventually("only the call that waits is left") { seen.areAlive == [false, false, true, false] }
      open.finish()
      #expect(try await Self.answers(4, peer)[5] == "0")
      try await eventually("no call is left") { seen.areAlive == [false, false, false, false] }
    }
  }

  @Test("a call that is cancelled ends its own handler's task, and no other's") func cancelled() async throws {
    let seen = Seen()
    try await Self.with { request, context in
      let number = seen.begins(context)
      if number == 1 {
        // Until it is cancelled.
        try? await Task.sleep(for: .seconds(60))
      }
      if number > 0 { await Task.yield() }
      seen.ends(number, wasCancelled: Task.isCancelled || context.isCancelled)
      return request
    } _: { peer in
      peer.say(Self.frames(1, 3, 5))
      #expect(try await Self.answers(2, peer) == [1: "0", 5: "0"])
      peer.say([.reset(3, 8)] + Self.frames(7, 9))
      #expect(try await Self.answers(4, peer) == [1: "0", 5: "0", 7: "0", 9: "0"])
      try await eventually("all handlers have ended") {
        seen.wereCancelled == [false, true, false, false, false]
      }
      try await eventually("no call is left") { seen.areAlive == [false, false, false, false, false] }
    }
  }
}
