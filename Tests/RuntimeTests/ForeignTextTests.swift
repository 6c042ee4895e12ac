import TestSupport
import Testing
import Volery
import VoleryTypes

/// What servers say comes into a channel's log and its errors, but can't pass for a line of them; and what is secret is not
/// shown by what has it.
@Suite("Text of peers, and secrets", .timeLimit(.minutes(1))) struct ForeignTextTests {
  private func failure(
    _ frames: @escaping @Sendable (UInt32) -> [ScriptedFrame], _ log: LogRecorder
  ) async throws -> StatusError {
    let server = try ScriptedServer(.init(frames: frames))
    defer { server.stop() }
    var options = ChannelOptions()
    options.logger = log.logger
    let channel = try Channel(server.target, options: options)
    return try #require(
      await #expect(throws: StatusError.self) {
        try await channel.unary(RawEcho.unary, [], options: CallOptions(timeout: .seconds(10)))
      })
  }

  @Test("a GOAWAY's debug data begins no line of the channel's log, nor of an error, and is cut") func goAway()
    async throws
  {
    let log = LogRecorder()
    let text = "x\")\ncritical volery.server: FORGED \u{1b}[31m" + String(repeating: "!", count: 5000)
    let error = try await failure({ _ in [.goAway(2, text)] }, log)
    let line = try await log.line(containing: "FORGED")
    #expect(line.contains("(x\\\")\\ncritical volery.server: FORGED \\u{1b}[31m!!"), "\(line)")
    for text in [line, error.message] {
      #expect(!text.contains("\n") && !text.contains("\u{1b}"))
      #expect(!text.contains(String(repeating: "!", count: 200)))
    }
  }

  @Test("neither does the content-type of an answer that is not gRPC") func contentType() async throws {
    let log = LogRecorder()
    // HTTP/2 lets no control characters through, but what is not ASCII.
    let error = try await failure(
      { [.headers($0, [(":status", "200"), ("content-type", "text/'\"\u{202e}\u{85}html")], ends: true)] }, log)
    #expect(error.message.contains("content-type 'text/'\\\"\\u{202e}\\u{85}html'"), "\(error.message)")
  }

  private static let secret = "s3cr3t-t0k3n"

  /// All ways in which a value may come into a text.
  private func texts(of value: Any) -> [String] {
    var dumped = ""
    dump(value, to: &dumped)
    return ["\(value)", String(describing: value), String(reflecting: value), "\([value])", dumped]
      + reflected(Mirror(reflecting: value), depth: 0)
  }

  private func reflected(_ mirror: Mirror, depth: Int) -> [String] {
    guard depth < 12 else { return [] }
    let bytes = mirror.children.compactMap { $0.value as? UInt8 }
    return mirror.children.flatMap { ["\($0.value)"] + reflected(Mirror(reflecting: $0.value), depth: depth + 1) }
      + [String(decoding: bytes, as: UTF8.self)]
  }

  @Test("neither text nor dump nor mirror of what has a secret shows it") func secrets() async throws {
    let token = BearerToken.Token(Self.secret, validFor: .seconds(60))
    let credentials = BearerToken { token }
    let request = CallCredentialsRequest(
      method: RawEcho.unary.descriptor, authority: "orders", peer: Peer(address: .inProcess("orders")))
    // From here on it holds the token.
    let metadata = try await credentials.metadata(for: request)
    #expect(metadata["authorization"] == "Bearer \(Self.secret)")
    var options = CallOptions()
    options.metadata = metadata
    options.credentials = credentials
    let key = TLSKeyPair.pair(certificate: .pem(Self.secret), key: .pem(Self.secret), password: Self.secret)
    let values: [Any] = [
      token, credentials, metadata, options, key, TLSSource.pem(Self.secret),
      ChannelCredentials.tls(identity: key).with(credentials),
      ServerCredentials.tls(certificate: key.certificate, key: key.key, password: Self.secret),
      StatusError(.internal, "text", metadata: metadata), [metadata],
    ]
    for value in values {
      for text in texts(of: value) {
        #expect(!text.contains(Self.secret), "\(type(of: value)) shows it")
        // As numbers.
        #expect(!text.contains("115, 51, 99"), "\(type(of: value)) shows its bytes")
      }
    }
    #expect("\(token)" == "a token for 60.0 seconds")
  }
}
