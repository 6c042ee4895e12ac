import Synchronization
import TestSupport
import Testing
import Volery

@Suite("A maximum age of connections, on the client's side", .timeLimit(.minutes(1))) struct ConnectionAgeTests {
  /// Answers with the caller's address, which is another one for each connection; to a request that is not empty, only when
  /// it is told to.
  final class Mirror: Service {
    static let method = Method<[UInt8], [UInt8]>(service: "test.Mirror", name: "Address", kind: .unary)
    /// How many wait for their answer.
    let waiting = Atomic<Int>(0)
    private let answers: AsyncStream<Void>
    let answer: AsyncStream<Void>.Continuation

    init() { (answers, answer) = AsyncStream.makeStream() }

    var handlers: [MethodHandler] {
      [
        .unary(Mirror.method) { [self] request, context in
          if !request.isEmpty {
            waiting.add(1, ordering: .relaxed)
            for await _ in answers { break }
          }
          return Array("\(context.peer)".utf8)
        }
      ]
    }
  }

  @Test("an old connection is replaced before it is let go: no call fails, and what runs on it finishes")
  func renewal() async throws {
    let mirror = Mirror()
    let server = Server(services: [mirror])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    var options = ChannelOptions()
    options.maxConnectionAge = .milliseconds(200)
    let started = ContinuousClock.now
    let channel = try Channel("static:///\(address)", options: options)
    let timely = CallOptions(timeout: .seconds(20))
    let slow = Task { try await channel.unary(Mirror.method, [1], options: timely).message }
    try await eventually("the slow call runs") { mirror.waiting.load(ordering: .relaxed) == 1 }
    var seen: [[UInt8]] = []
    while seen.count < 4 {
      let address = try await channel.unary(Mirror.method, [], options: timely).message
      if !seen.contains(address) { seen.append(address) }
    }
    #expect(started.duration(to: .now) >= .milliseconds(3 * 180), "each lives its time")
    mirror.answer.yield()
    let first = try await slow.value
    #expect(!seen.dropFirst().contains(first), "it has stayed on the connection that it began on")
    #expect(channel.state == .ready)
  }
}
