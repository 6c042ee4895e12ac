import TestSupport
import Testing
import Volery

/// The mistakes with certificates, tokens and ports that are made first; TLSTests has every kind of bad certificate.
@Suite("The usual mistakes with TLS", .timeLimit(.minutes(1))) struct TLSMistakeTests {
  static func file(_ name: String) -> TLSSource { .file(TestCertificates.path(name)) }

  static func credentials(_ name: String) -> ServerCredentials {
    .tls(certificate: file("\(name).crt"), key: file("\(name).key"))
  }

  struct Mistake: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var server = ServerCredentials.plaintext
    var client = ChannelCredentials.plaintext
    let says: [String]
  }

  static var mistakes: [Mistake] {
    let roots = TLSRoots.file(TestCertificates.path("ca.crt"))
    return [
      Mistake(
        testDescription: "TLS to a plaintext port", client: .tls(roots: roots),
        says: ["the server speaks HTTP/2 in plaintext on this port, not TLS", "UNAVAILABLE"]),
      Mistake(
        testDescription: "plaintext to a TLS port", server: credentials("server"),
        says: ["the server speaks TLS on this port, and the channel's credentials are plaintext", "UNAVAILABLE"]),
      Mistake(
        testDescription: "the public authorities for a certificate of an own one", server: credentials("server"),
        client: .tls(), says: ["is not one of the trusted roots, nor sent along", "CN=Test Root"]),
      Mistake(
        testDescription: "another authority", server: credentials("server"),
        client: .tls(roots: .file(TestCertificates.path("other-ca.crt"))),
        says: ["is not one of the trusted roots, nor sent along", "CN=Test Root"]),
      Mistake(
        testDescription: "a certificate that has expired", server: credentials("expired"), client: .tls(roots: roots),
        says: ["it expired on", "2021-01-01 00:00:00 UTC"]),
      Mistake(
        testDescription: "a certificate for another host", server: credentials("wrong-host"),
        client: .tls(roots: roots), says: ["\", not for \"", "it is for \"elsewhere.test\""]),
      Mistake(
        testDescription: "no client certificate",
        server: .tls(
          certificate: file("server.crt"), key: file("server.key"), clients: .required(roots)),
        client: .tls(roots: roots), says: ["it takes nobody without a certificate, and this side has none"]),
      Mistake(
        testDescription: "a token in plaintext", client: .plaintext.with(BearerToken { BearerToken.Token("t") }),
        says: ["call credentials are not sent in plaintext", "UNAUTHENTICATED", "TLS credentials"]),
    ]
  }

  @Test("are told with the address and the cure", arguments: mistakes) func calls(_ mistake: Mistake) async throws {
    let server = Server(services: [Depot()], credentials: mistake.server)
    defer { server.shutDown() }
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let parcels = ParcelsClient(try Channel("ipv4:\(address)", credentials: mistake.client))
    let said = await MistakePage.text {
      _ = try await parcels.track(Parcel(id: "1"), options: CallOptions(timeout: .seconds(30)))
    }
    MistakePage.check(said, mistake.says + ["\(address)"])
  }

  @Test(
    "files that can't be used are named",
    arguments: [
      ("nowhere.crt", "server.key", ["No such file", "nowhere.crt"]),
      ("server.crt", "nowhere.key", ["No such file", "nowhere.key"]),
      ("server.crt", "client.key", ["does not belong to", "client.key", "server.crt"]),
      ("server.key", "server.crt", ["no certificate in it", "server.key"]),
      ("server.crt", "server.encrypted.key", ["no password was given", "server.encrypted.key"]),
    ])
  func files(_ certificate: String, _ key: String, _ parts: [String]) async {
    let said = await MistakePage.text {
      let credentials = ServerCredentials.tls(certificate: Self.file(certificate), key: Self.file(key))
      try Server(services: [], credentials: credentials).start(listeningOn: .tcp("127.0.0.1", 0))
    }
    MistakePage.check(said, parts)
  }

  @Test("roots that are not there are named before the first call") func roots() async {
    let said = await MistakePage.text {
      _ = try Channel("dns:///orders:443", credentials: .tls(roots: .file("/nowhere/ca.crt")))
    }
    MistakePage.check(said, ["No such file", "/nowhere/ca.crt"])
  }
}
