import Foundation
import TestSupport
import Testing
import Volery

enum Certificates {
  static func path(_ name: String) -> String { TestCertificates.path(name) }
  static func file(_ name: String) -> TLSSource { .file(path(name)) }
  static func bytes(_ name: String) -> [UInt8] { Array(FileManager.default.contents(atPath: path(name)) ?? Data()) }

  static var roots: TLSRoots { .file(path("ca.crt")) }
  static var client: TLSKeyPair { pair("client") }
  static func pair(_ name: String) -> TLSKeyPair {
    .pair(certificate: file("\(name).crt"), key: file("\(name.replacing("-chain", with: "")).key"))
  }

  /// A server's credentials with one of the certificates.
  static func server(
    _ name: String, clients: ClientCertificates = .notAsked, options: TLSOptions = TLSOptions()
  ) -> ServerCredentials {
    let pair = pair(name)
    return .tls(certificate: pair.certificate, key: pair.key, clients: clients, options: options)
  }
}

/// Answers with the request, or says who has called.
struct TLSEcho: Service {
  static let echo = Method<[UInt8], [UInt8]>(service: "test.TLS", name: "Echo", kind: .unary)
  static let who = Method<[UInt8], [UInt8]>(service: "test.TLS", name: "Who", kind: .unary)
  static let metadata = Method<[UInt8], [UInt8]>(service: "test.TLS", name: "Metadata", kind: .unary)
  static let chat = Method<[UInt8], [UInt8]>(service: "test.TLS", name: "Chat", kind: .bidirectional)

  var handlers: [MethodHandler] {
    [
      .unary(TLSEcho.echo) { request, _ in request },
      .unary(TLSEcho.who) { _, context in
        let security = context.peer.security
        let identity = context.identity
        var words: [String] = [security?.version ?? "plaintext", security?.cipher ?? ""]
        words.append(security.map { "\($0.isResumed)" } ?? "")
        words.append(identity?.subject ?? "")
        words.append(identity?.spiffeID ?? "")
        words.append(identity?.dnsNames.joined(separator: ",") ?? "")
        words.append(identity?.emailAddresses.joined(separator: ",") ?? "")
        words.append(identity.map { "\($0.isVerified)" } ?? "")
        return Array(words.joined(separator: "|").utf8)
      },
      .unary(TLSEcho.metadata) { _, context in
        var text = ""
        for value in context.metadata.values("authorization") { text += value + "\n" }
        for value in context.metadata.values("x-key") { text += value + "\n" }
        return Array(text.utf8)
      },
      .bidirectional(TLSEcho.chat) { requests, writer, _ in
        for try await request in requests { try await writer.write(request) }
      },
    ]
  }
}

/// A server for one test, and what it logs.
struct TLSStage {
  let server: Server
  let address: SocketAddress
  let log: LogRecorder

  static func with(
    _ credentials: ServerCredentials, at place: ListenAddress = .tcp("127.0.0.1", 0),
    options: ServerOptions = ServerOptions(), _ body: (TLSStage) async throws -> Void
  ) async throws {
    let log = LogRecorder()
    var options = options
    options.logger = log.logger
    let server = Server(services: [TLSEcho()], credentials: credentials, options: options)
    defer { server.shutDown() }
    try await body(TLSStage(server: server, address: try server.start(listeningOn: place)[0], log: log))
  }

  var port: Int { if case .tcp(_, let port) = address { port } else { 0 } }

  /// A channel to this server by a name that its certificates have.
  func channel(
    _ credentials: ChannelCredentials = .tls(roots: Certificates.roots), host: String = "localhost",
    log: LogRecorder? = nil
  ) throws -> Channel {
    var options = ChannelOptions()
    if let log { options.logger = log.logger }
    if case .tcp(_, let port) = address {
      options.authority = "\(host):\(port)"
      return try Channel("ipv4:127.0.0.1:\(port)", credentials: credentials, options: options)
    }
    return try Channel("\(address)", credentials: credentials, options: options)
  }
}

extension TLSStage {
  func echo(
    _ credentials: ChannelCredentials = .tls(roots: Certificates.roots), host: String = "localhost"
  ) async throws -> [UInt8] {
    try await channel(credentials, host: host).echo().message
  }

  func who(_ credentials: ChannelCredentials = .tls(roots: Certificates.roots)) async throws -> [String] {
    try await channel(credentials).who()
  }
}

extension Channel {
  static var limit: CallOptions { CallOptions(timeout: .seconds(10)) }

  func echo(_ bytes: [UInt8] = [1, 2, 3]) async throws -> ClientResponse<[UInt8]> {
    try await unary(TLSEcho.echo, bytes, options: Channel.limit)
  }

  /// What the server knows of its client: version, cipher, resumed, subject, SPIFFE id, DNS names, emails, verified.
  func who() async throws -> [String] {
    let words = try await unary(TLSEcho.who, [], options: Channel.limit).message
    return String(decoding: words, as: UTF8.self).split(separator: "|", omittingEmptySubsequences: false).map(
      String.init)
  }
}

/// The error that something throws.
func failure(_ body: () async throws -> Void) async -> String {
  do { try await body() } catch { return "\(error)" }
  return "no error"
}
