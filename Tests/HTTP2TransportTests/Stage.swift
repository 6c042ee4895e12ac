import TestSupport
import Volery

/// The ways from a client to a server: the same calls have to behave the same on each.
enum Way: CaseIterable, Sendable {
  case plain, tls, inProcess
}

/// One method that does what a test wants.
struct OneMethod: Service {
  typealias Handler = @Sendable ([UInt8], ServerContext) async throws -> [UInt8]

  static let method = Method<[UInt8], [UInt8]>(service: "test.One", name: "Method", kind: .unary)

  /// As a script says it.
  static let request = ScriptedPeer.request.map { $0.0 == ":path" ? ($0.0, "/test.One/Method") : $0 }

  let handler: Handler
  var handlers: [MethodHandler] { [.unary(OneMethod.method, handler)] }
}

/// A server of one method, and a channel to it.
struct Stage {
  let channel: Channel
  let address: SocketAddress
  let server: Server

  static func with(
    _ way: Way, server options: ServerOptions = ServerOptions(),
    channel channelOptions: ChannelOptions = ChannelOptions(),
    handler: @escaping OneMethod.Handler, _ body: (Stage) async throws -> Void
  ) async throws {
    try await with(way, server: options, channel: channelOptions, services: [OneMethod(handler: handler)], body)
  }

  static func with(
    _ way: Way, server options: ServerOptions = ServerOptions(),
    channel channelOptions: ChannelOptions = ChannelOptions(), services: [any Service],
    _ body: (Stage) async throws -> Void
  ) async throws {
    let (place, credentials): (ListenAddress, ServerCredentials) =
      switch way {
      case .plain: (.tcp("127.0.0.1", 0), .plaintext)
      case .tls:
        (
          .tcp("127.0.0.1", 0),
          .tls(
            certificate: .file(TestCertificates.path("server.crt")), key: .file(TestCertificates.path("server.key")))
        )
      case .inProcess: (.inProcess("stage-\(UInt64.random(in: .min ... .max))"), .plaintext)
      }
    let server = Server(services: services, credentials: credentials, options: options)
    let address = try server.start(listeningOn: place)[0]
    defer { server.shutDown() }
    var channelOptions = channelOptions
    let channel: Channel
    if way == .tls, case .tcp(_, let port) = address {
      channelOptions.authority = "localhost:\(port)"
      channel = try Channel(
        "ipv4:\(address)", credentials: .tls(roots: .file(TestCertificates.path("ca.crt"))), options: channelOptions)
    } else {
      channel = try Channel(way == .inProcess ? "\(address)" : "ipv4:\(address)", options: channelOptions)
    }
    try await body(Stage(channel: channel, address: address, server: server))
  }

  static func options(_ metadata: Metadata = Metadata()) -> CallOptions {
    var options = CallOptions(timeout: .seconds(20))
    options.metadata = metadata
    return options
  }

  @discardableResult
  func call(_ metadata: Metadata = Metadata(), _ request: [UInt8] = []) async throws -> ClientResponse<[UInt8]> {
    try await channel.unary(OneMethod.method, request, options: Stage.options(metadata))
  }

  /// How a call fails that has to.
  func failure(_ metadata: Metadata = Metadata(), _ request: [UInt8] = []) async -> StatusError? {
    do {
      try await call(metadata, request)
      return nil
    } catch {
      return error as? StatusError
    }
  }
}
