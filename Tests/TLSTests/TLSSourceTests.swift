import Testing
import Volery

@Suite("Certificates and keys from files and memory", .timeLimit(.minutes(1))) struct TLSSourceTests {
  static func start(_ credentials: ServerCredentials) -> String {
    let server = Server(services: [TLSEcho()], credentials: credentials)
    defer { server.shutDown() }
    do {
      try server.start(listeningOn: .tcp("127.0.0.1", 0))
      return "started"
    } catch {
      return "\(error.code): \(error.message)"
    }
  }

  struct Good: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let pair: TLSKeyPair
  }

  static var good: [Good] {
    [
      Good(testDescription: "PEM", pair: Certificates.pair("server")),
      Good(testDescription: "a chain", pair: Certificates.pair("deep-chain")),
      Good(testDescription: "RSA", pair: Certificates.pair("rsa")),
      Good(
        testDescription: "DER",
        pair: .pair(certificate: Certificates.file("server.der"), key: Certificates.file("server.key.der"))),
      Good(
        testDescription: "an EC key of the old form",
        pair: .pair(certificate: Certificates.file("server.crt"), key: Certificates.file("server.sec1.key"))),
      Good(
        testDescription: "an encrypted key",
        pair: .pair(
          certificate: Certificates.file("server.crt"), key: Certificates.file("server.encrypted.key"),
          password: "secret")),
      Good(
        testDescription: "an encrypted key in DER",
        pair: .pair(
          certificate: Certificates.file("server.crt"), key: Certificates.file("server.encrypted.key.der"),
          password: "secret")),
      Good(
        testDescription: "bytes",
        pair: .pair(
          certificate: .bytes(Certificates.bytes("server.crt")), key: .bytes(Certificates.bytes("server.key.der")))),
    ]
  }

  @Test("every form of certificate and key serves calls", arguments: good) func forms(_ form: Good) async throws {
    let credentials = ServerCredentials.tls(
      certificate: form.pair.certificate, key: form.pair.key, password: form.pair.password)
    try await TLSStage.with(credentials) { stage in
      let answer = try await stage.echo()
      #expect(answer == [1, 2, 3])
    }
  }

  struct Bad: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var certificate = "server.crt"
    var key = "server.key"
    var password: String?
    let says: [String]
  }

  static let bad: [Bad] = [
    Bad(testDescription: "no such file", certificate: "nowhere.crt", says: ["nowhere.crt", "No such file"]),
    Bad(testDescription: "an empty file", certificate: "empty.crt", says: ["empty.crt", "is empty"]),
    Bad(testDescription: "half a certificate", certificate: "half.crt", says: ["half.crt", "cut off"]),
    Bad(testDescription: "no certificate", certificate: "text.crt", says: ["text.crt", "no certificate in it"]),
    Bad(testDescription: "a folder", certificate: ".", says: ["is not a file"]),
    Bad(testDescription: "no key", key: "server.crt", says: ["server.crt", "no private key in it"]),
    Bad(testDescription: "an empty key", key: "empty.crt", says: ["empty.crt", "is empty"]),
    Bad(testDescription: "half a key", key: "half.key", says: ["half.key", "cut off"]),
    Bad(
      testDescription: "a key of another certificate", key: "client.key",
      says: ["client.key", "does not belong to", "server.crt", "CN=server"]),
    Bad(
      testDescription: "an encrypted key without a password", key: "server.encrypted.key",
      says: ["server.encrypted.key", "no password was given"]),
    Bad(
      testDescription: "an encrypted key with the wrong password", key: "server.encrypted.key", password: "wrong",
      says: ["server.encrypted.key", "does not open it"]),
    Bad(
      testDescription: "an encrypted key in DER without a password", key: "server.encrypted.key.der",
      says: ["server.encrypted.key.der", "no password was given"]),
  ]

  @Test("what can't be used is named, with what is wrong with it", arguments: bad) func refusals(_ form: Bad) throws {
    let server = TLSSourceTests.start(
      .tls(
        certificate: Certificates.file(form.certificate), key: Certificates.file(form.key), password: form.password))
    #expect(server.hasPrefix("FAILED_PRECONDITION"), "\(server)")
    let pair = TLSKeyPair(
      certificate: Certificates.file(form.certificate), key: Certificates.file(form.key), password: form.password)
    let client = #expect(throws: TargetError.self) {
      try Channel("localhost:1", credentials: .tls(roots: Certificates.roots, identity: pair))
    }
    for text in form.says {
      #expect(server.contains(text))
      #expect("\(client!)".contains(text))
    }
    #expect(!server.contains("PRIVATE") && !server.contains("secret"), "no secrets in errors")
  }

  @Test("roots that can't be used are named") func roots() {
    let client = #expect(throws: TargetError.self) {
      try Channel("localhost:1", credentials: .tls(roots: .file(Certificates.path("empty.crt"))))
    }
    #expect("\(client!)".contains("empty.crt is empty"))
    let server = TLSSourceTests.start(
      Certificates.server("server", clients: .required(.file(Certificates.path("half.crt")))))
    #expect(server.contains("half.crt"))
  }

  @Test("a source does not show what is in it") func noSecrets() {
    let pair = TLSKeyPair(certificate: .pem("CERT"), key: .pem("KEY-MATERIAL"), password: "hush")
    var dumped = ""
    dump(pair, to: &dumped)
    for text in [dumped, "\(pair)", "\(pair.key)"] {
      #expect(!text.contains("KEY-MATERIAL") && !text.contains("hush"), "\(text)")
    }
  }
}
