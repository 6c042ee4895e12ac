import Foundation
import Volery

/// Calls that say who makes them with an OAuth 2 access token: the client gets one from a token server (RFC 6749, 4.4), sends
/// it with each call, and renews it before it expires; the server asks whose it is.
@main
struct Program {
  static func main() async throws {
    let tokens = try TokenServer(secrets: ["shop": "s3cret"], lifetime: 2)
    let certificate = try Certificate.make(for: "localhost")
    let server = Server(
      services: [Orders(tokens: tokens)],
      credentials: .tls(certificate: .pem(certificate.certificate), key: .pem(certificate.key)))
    guard case .tcp(_, let port) = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0] else { return }

    // What a client writes:
    let client = TokenClient(url: tokens.url, id: "shop", secret: "s3cret")
    let credentials = BearerToken { try await client.fetch() }
    let tls = ChannelCredentials.tls(roots: .pem(certificate.certificate))
    let channel = try Channel("localhost:\(port)", credentials: tls.with(credentials))

    for _ in 0..<100 { _ = try await channel.unary(Orders.whoAmI, []) }
    print("100 calls as \(try await whoAmI(channel)), tokens issued: \(tokens.issued)")

    let start = ContinuousClock.now
    while tokens.issued == 1, start.duration(to: .now) < .seconds(10) {
      _ = try await channel.unary(Orders.whoAmI, [])
      try await Task.sleep(for: .milliseconds(20))
    }
    print("no call failed while the token was renewed, tokens issued: \(tokens.issued)")

    print("without a token: \(await failure { _ = try await whoAmI(Channel("localhost:\(port)", credentials: tls)) })")
    let thief = TokenClient(url: tokens.url, id: "shop", secret: "guessed")
    let guessing = try Channel("localhost:\(port)", credentials: tls.with(BearerToken { try await thief.fetch() }))
    print("with a guessed secret: \(await failure { _ = try await whoAmI(guessing) })")

    guard case .tcp(_, let open) = try server.start(listeningOn: .tcp("127.0.0.1", 0), credentials: .plaintext)[0]
    else { return }
    let bare = try Channel("ipv4:127.0.0.1:\(open)", credentials: .plaintext.with(credentials))
    print("in plaintext: \(await failure { _ = try await whoAmI(bare) })")
    await server.drain()
    tokens.stop()
  }

  static func whoAmI(_ channel: Channel) async throws -> String {
    String(
      decoding: try await channel.unary(Orders.whoAmI, [], options: CallOptions(timeout: .seconds(10))).message,
      as: UTF8.self)
  }

  /// What the error says before it tells where the call was.
  static func failure(_ body: () async throws -> Void) async -> String {
    do { try await body() } catch { return "\(error)".components(separatedBy: " (")[0] }
    return "no error"
  }
}
