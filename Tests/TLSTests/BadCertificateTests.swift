import TestSupport
import Testing
import Volery

@Suite("Certificates that are not accepted", .timeLimit(.minutes(1))) struct BadCertificateTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let certificate: String
    /// What the side that checks says.
    let check: String
    /// What the other side hears.
    let alert: String
    var testDescription: String { certificate }
  }

  static let servers = [
    Case(certificate: "expired", check: "expired on 2021-01-01 00:00:00 UTC", alert: "has expired"),
    Case(certificate: "future", check: "is not valid before 2040-01-01 00:00:00 UTC", alert: "alert 42"),
    Case(certificate: "wrong-host", check: "it is for \"elsewhere.test\", not for \"localhost\"", alert: "alert 42"),
    Case(certificate: "no-names", check: "it has no subject alternative names", alert: "alert 42"),
    Case(certificate: "untrusted", check: "the issuer CN=Other Root", alert: "does not know who signed"),
    Case(certificate: "self-signed", check: "it has signed itself", alert: "does not know who signed"),
    Case(certificate: "wrong-usage", check: "is not made for a server", alert: "alert 4"),
    Case(
      certificate: "deep", check: "CN=Test Intermediate is not one of the trusted roots",
      alert: "does not know who signed"),
  ]

  @Test("a client names a server's certificate and the check that it fails", arguments: servers)
  func server(_ bad: Case) async throws {
    let good = try await HonestPair.start()
    try await TLSStage.with(Certificates.server(bad.certificate)) { stage in
      let error = await failure { _ = try await stage.channel().echo() }
      #expect(error.contains("UNAVAILABLE") && error.contains("127.0.0.1:\(stage.port)"), "\(error)")
      #expect(error.contains("the server's certificate (") && error.contains(bad.check), "\(error)")
      let line = try await stage.log.line(containing: "TLS alert")
      #expect(line.contains("the client refused") && line.contains(bad.alert), "\(line)")
      #expect(line.contains("O=Volery Tests"), "the server's own certificate is named: \(line)")
    }
    try await good.check()
  }

  static let clients = [
    Case(certificate: "expired-client", check: "expired on 2021-01-01", alert: "has expired"),
    Case(certificate: "other-client", check: "the issuer CN=Other Root", alert: "does not know who signed"),
    Case(certificate: "client-for-servers", check: "is not made for a client", alert: "alert 4"),
    Case(certificate: "self-signed", check: "it has signed itself", alert: "does not know who signed"),
  ]

  @Test("a server names a client's certificate and the check that it fails", arguments: clients, [true, false])
  func client(_ bad: Case, _ isRequired: Bool) async throws {
    let demand: ClientCertificates = isRequired ? .required(Certificates.roots) : .optional(Certificates.roots)
    try await TLSStage.with(Certificates.server("server", clients: demand)) { stage in
      let good = try stage.channel(.tls(roots: Certificates.roots, identity: Certificates.client))
      #expect(try await good.echo().message == [1, 2, 3])
      let channel = try stage.channel(
        .tls(roots: Certificates.roots, identity: Certificates.pair(bad.certificate)))
      let error = await failure { _ = try await channel.echo() }
      #expect(error.contains("the server refused") && error.contains(bad.alert), "\(error)")
      let line = try await stage.log.line(containing: "the client's certificate (")
      #expect(line.contains(bad.check) && line.contains("client: 127.0.0.1:"), "\(line)")
      #expect(try await good.echo().message == [1, 2, 3])
    }
  }

  @Test("a client without a certificate is refused by a server that wants one, and both say so")
  func noCertificate() async throws {
    try await TLSStage.with(Certificates.server("server", clients: .required(Certificates.roots))) { stage in
      let error = await failure { _ = try await stage.channel().echo() }
      #expect(error.contains("it takes nobody without a certificate, and this side has none"), "\(error)")
      _ = try await stage.log.line(containing: "the client showed no certificate")
    }
  }
}

/// A server and a channel of their own, whose calls must never notice what happens beside them.
struct HonestPair {
  let server: Server
  let channel: Channel

  static func start() async throws -> HonestPair {
    let server = Server(services: [TLSEcho()], credentials: Certificates.server("server"))
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let channel = try Channel("ipv4:\(address)", credentials: .tls(roots: Certificates.roots))
    _ = try await channel.echo()
    return HonestPair(server: server, channel: channel)
  }

  func check() async throws {
    #expect(try await channel.echo().message == [1, 2, 3])
    server.shutDown()
  }
}
