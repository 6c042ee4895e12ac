import Testing
import Volery

/// A service whose methods answer with their own names and the authority they were called by.
private struct Names: Service {
  static let methods = (0..<80).map {
    Method<[UInt8], [UInt8]>(service: "test.Names", name: "Method\($0)", kind: .unary)
  }

  var handlers: [MethodHandler] {
    Names.methods.map { method in
      .unary(method) { _, context in Array("\(method.descriptor.path) \(context.authority)".utf8) }
    }
  }
}

@Suite("Calls of many methods", .timeLimit(.minutes(1))) struct ManyMethodsTests {
  /// A connection keeps the beginnings of the requests of 32 methods.
  @Test("each reaches its own method by its own authority, more of them than a connection remembers")
  func everyMethod() async throws {
    var options = ServerOptions()
    // Requests wait in the connection, which points to what they begin with.
    options.maxConcurrentStreams = 3
    let server = Server(services: [Names()], options: options)
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let channel = try Channel(address.target)
    try await withThrowingTaskGroup(of: Void.self) { calls in
      for round in 0..<6 {
        for method in Names.methods {
          calls.addTask {
            let authority = round % 2 == 0 ? "even.test" : "odd.test"
            var options = CallOptions(timeout: .seconds(20))
            options.authority = authority
            let response = try await channel.unary(method, [], options: options)
            #expect(String(decoding: response.message, as: UTF8.self) == "\(method.descriptor.path) \(authority)")
          }
        }
      }
      try await calls.waitForAll()
    }
  }
}
