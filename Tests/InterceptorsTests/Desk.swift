import Logging
import Volery
import VoleryTesting

/// A service with a method of each kind, all of which do the same and answer with what came of it.
struct Desk: Service {
  typealias Visit = @Sendable (ServerContext) async throws -> String

  static let ask = Method<[UInt8], [UInt8]>(service: "test.Desk", name: "Ask", kind: .unary)
  static let list = Method<[UInt8], [UInt8]>(service: "test.Desk", name: "List", kind: .serverStreaming)
  static let sum = Method<[UInt8], [UInt8]>(service: "test.Desk", name: "Sum", kind: .clientStreaming)
  static let chat = Method<[UInt8], [UInt8]>(service: "test.Desk", name: "Chat", kind: .bidirectional)
  static let names = ["Ask", "List", "Sum", "Chat"]

  let visit: Visit

  init(_ visit: @escaping Visit) { self.visit = visit }

  var handlers: [MethodHandler] {
    [
      .unary(Desk.ask) { _, context in Array(try await visit(context).utf8) },
      .serverStreaming(Desk.list) { _, responses, context in
        try await responses.write(Array(try await visit(context).utf8))
      },
      .clientStreaming(Desk.sum) { requests, context in
        for try await _ in requests {}
        return Array(try await visit(context).utf8)
      },
      .bidirectional(Desk.chat) { requests, responses, context in
        for try await _ in requests {}
        try await responses.write(Array(try await visit(context).utf8))
      },
    ]
  }
}

/// What a call came to.
enum Outcome: Equatable {
  case answer(String)
  case failure(StatusCode, String)
}

extension Channel {
  /// One call of each kind, one after another.
  func callDesk(_ options: CallOptions = CallOptions(timeout: .seconds(20))) async -> [Outcome] {
    var outcomes: [Outcome] = []
    for name in Desk.names { outcomes.append(await callDesk(name, options)) }
    return outcomes
  }

  func callDesk(_ name: String, _ options: CallOptions = CallOptions(timeout: .seconds(20))) async -> Outcome {
    do throws(StatusError) {
      return .answer(String(decoding: try await answer(name, options), as: UTF8.self))
    } catch {
      return .failure(error.code, error.message)
    }
  }

  private func answer(_ name: String, _ options: CallOptions) async throws(StatusError) -> [UInt8] {
    switch name {
    case "Ask": return try await unary(Desk.ask, [], options: options).message
    case "List":
      var all: [UInt8] = []
      var responses = serverStreaming(Desk.list, [], options: options).makeAsyncIterator()
      while let response = try await responses.next() { all += response }
      return all
    case "Sum":
      let call = clientStreaming(Desk.sum, options: options)
      call.finish()
      return try await call.response
    default:
      let call = bidirectional(Desk.chat, options: options)
      call.finish()
      var all: [UInt8] = []
      var responses = call.makeAsyncIterator()
      while let response = try await responses.next() { all += response }
      return all
    }
  }
}

/// Where a test's server is.
enum Place: CaseIterable {
  case socket, inProcess

  /// A desk behind these interceptors, and a channel to it with those.
  func with(
    _ interceptors: [any ServerInterceptor], client: [any ClientInterceptor] = [], serviceConfig: String? = nil,
    _ visit: @escaping Desk.Visit, _ body: (Channel) async throws -> Void
  ) async throws {
    var serverOptions = ServerOptions()
    serverOptions.interceptors = interceptors
    serverOptions.logger.logLevel = .critical
    var options = ChannelOptions()
    options.interceptors = client
    if let serviceConfig { options.serviceConfig = try ServiceConfig(json: serviceConfig) }
    let server = Server(services: [Desk(visit)], options: serverOptions)
    defer { server.shutDown() }
    switch self {
    case .socket:
      let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
      try await body(try Channel("ipv4:\(address)", options: options))
    case .inProcess: try await body(try Channel.inProcess(server, options: options))
    }
  }
}
