import TestSupport
import Testing
import Volery
import VoleryEventLoops
import VoleryServer

@testable import VoleryHTTP2Transport

@Suite("Connections at rest", .timeLimit(.minutes(1))) struct RestingConnectionTests {
  private struct Echo: Service {
    static let chat = Method<[UInt8], [UInt8]>(service: "test.Echo", name: "Chat", kind: .bidirectional)
    var handlers: [MethodHandler] {
      [
        .bidirectional(Echo.chat) { requests, writer, _ in for try await one in requests { try await writer.write(one) }
        }
      ]
    }
  }

  /// Connections of a loop that do not rest.
  private static func awake(_ loop: EventLoop) async -> Int {
    await withCheckedContinuation { continuation in
      loop.execute { continuation.resume(returning: RestingConnections.of(loop).count) }
    }
  }

  /// A call that has been answered once and stays open.
  private static func call(
    _ channel: Channel, _ message: [UInt8]
  ) async throws -> BidirectionalCall<[UInt8], [UInt8]> {
    let call = channel.bidirectional(Echo.chat)
    try await call.send(message)
    var answers = call.makeAsyncIterator()
    #expect(try await answers.next() == message)
    return call
  }

  @Test("one rests when it has had no call for a second, takes calls as before, and is forgotten when it ends")
  func rests() async throws {
    let loop = try EventLoop()
    defer { loop.stop() }
    var options = ServerOptions()
    options.loops = EventLoopGroup([loop])
    let server = Server(services: [Echo()], options: options)
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let channel = try Channel("\(address)")
    for count in 1...3 {
      let call = try await Self.call(channel, [UInt8](repeating: UInt8(count), count: 50_000))
      #expect(await Self.awake(loop) == 1, "a call is open")
      call.finish()
      try await eventually("it rests") { await Self.awake(loop) == 0 }
    }
    let call = try await Self.call(channel, [1])
    #expect(await Self.awake(loop) == 1)
    channel.close()
    server.shutDown()
    _ = await call.status
    try await eventually("it has ended") { await Self.awake(loop) == 0 }
  }
}
