import Foundation
import Synchronization
import Volery

/// A server that answers each call with its name.
final class Backend: Sendable {
  static let who = Method<[UInt8], [UInt8]>(service: "test.Backend", name: "Who", kind: .unary)
  static let other = Method<[UInt8], [UInt8]>(service: "test.Backend", name: "Other", kind: .unary)
  static let fail = Method<[UInt8], [UInt8]>(service: "test.Backend", name: "Fail", kind: .unary)
  static let hold = Method<[UInt8], [UInt8]>(service: "test.Backend", name: "Hold", kind: .bidirectional)
  static let path = "/test.Backend/Who"

  private struct Answers: Service {
    let name: String
    let cost: [String: Double]
    let clients: Clients
    var handlers: [MethodHandler] {
      [
        .unary(Backend.who) { _, context in
          context.loadReport.namedMetrics = cost
          if let names = context.identity?.dnsNames { clients.names.withLock { $0.formUnion(names) } }
          return Array(name.utf8)
        },
        .unary(Backend.fail) { _, _ in throw StatusError(.notFound, "as it was told") },
        .unary(Backend.other) { _, _ in Array("\(name) other".utf8) },
        // Says what it is told, for as long as the client likes.
        .bidirectional(Backend.hold) { requests, responses, _ in
          for try await request in requests { try await responses.write(request) }
        },
      ]
    }
  }

  /// Names that clients' certificates had.
  final class Clients: Sendable { let names = Mutex<Set<String>>([]) }

  let server: Server
  let port: Int
  let clients = Clients()

  /// Plaintext.
  convenience init(_ name: String) throws { try self.init(name, credentials: .plaintext) }

  /// - Parameter cost: What each answer says of the server's load, as named metrics.
  init(_ name: String, credentials: ServerCredentials = .plaintext, cost: [String: Double] = [:]) throws {
    var options = ServerOptions()
    // Without one, what a handler says of its load goes nowhere.
    if !cost.isEmpty { options.loadRecorder = LoadRecorder() }
    server = Server(
      services: [Answers(name: name, cost: cost, clients: clients)], credentials: credentials, options: options)
    guard case .tcp(_, let port) = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0] else { fatalError() }
    self.port = port
  }

  /// One that nobody listens on now.
  static func freePort() throws -> Int {
    let server = Server(services: [])
    guard case .tcp(_, let port) = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0] else { fatalError() }
    server.shutDown()
    return port
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
