import Volery

/// A server that answers each call with its name.
final class Backend: Sendable {
  static let who = Method<[UInt8], [UInt8]>(service: "test.Backend", name: "Who", kind: .unary)
  static let other = Method<[UInt8], [UInt8]>(service: "test.Backend", name: "Other", kind: .unary)
  static let hold = Method<[UInt8], [UInt8]>(service: "test.Backend", name: "Hold", kind: .bidirectional)
  static let path = "/test.Backend/Who"

  private struct Answers: Service {
    let name: String
    var handlers: [MethodHandler] {
      [
        .unary(Backend.who) { _, _ in Array(name.utf8) },
        .unary(Backend.other) { _, _ in Array("\(name) other".utf8) },
        // Says what it is told, for as long as the client likes.
        .bidirectional(Backend.hold) { requests, responses, _ in
          for try await request in requests { try await responses.write(request) }
        },
      ]
    }
  }

  let server: Server
  let port: Int

  init(_ name: String) throws {
    server = Server(services: [Answers(name: name)])
    guard case .tcp(_, let port) = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0] else { fatalError() }
    self.port = port
  }

  /// How often each server has answered.
  static func ask(
    _ channel: Channel, _ method: Method<[UInt8], [UInt8]> = who, calls: Int, metadata: Metadata = [:]
  ) async throws -> [String: Int] {
    var counts: [String: Int] = [:]
    var options = CallOptions(timeout: .seconds(20), waitForReady: false)
    options.metadata = metadata
    for _ in 0..<calls {
      counts[
        String(decoding: try await channel.unary(method, [], options: options).message, as: UTF8.self), default: 0] += 1
    }
    return counts
  }
}
