import Synchronization
import Testing
import Volery

@Suite("A maximum age of connections, on the client's side", .timeLimit(.minutes(1))) struct ConnectionAgeTests {
  /// Answers with the caller's address, which is another one for each connection.
  struct Mirror: Service {
    static let method = Method<[UInt8], [UInt8]>(service: "test.Mirror", name: "Address", kind: .unary)

    var handlers: [MethodHandler] {
      [
        .unary(Mirror.method) { request, context in
          if !request.isEmpty { try await Task.sleep(for: .milliseconds(600)) }
          return Array("\(context.peer)".utf8)
        }
      ]
    }
  }

  @Test("an old connection is replaced before it is let go: no call fails, and what runs on it finishes")
  func renewal() async throws {
    let server = Server(services: [Mirror()])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    var options = ChannelOptions()
    options.maxConnectionAge = .milliseconds(200)
    let channel = try Channel("static:///\(address)", options: options)
    let timely = CallOptions(timeout: .seconds(20))
    let slow = Task { try await channel.unary(Mirror.method, [1], options: timely).message }
    var seen: Set<[UInt8]> = []
    let started = ContinuousClock.now
    while seen.count < 4 {
      seen.insert(try await channel.unary(Mirror.method, [], options: timely).message)
    }
    #expect(started.duration(to: .now) >= .milliseconds(3 * 180), "each lives its time")
    let first = try await slow.value
    #expect(seen.contains(first))
    #expect(channel.state == .ready)
  }
}
