import Foundation
import TestSupport
import Testing
import Volery

@Suite("Calls over TLS", .timeLimit(.minutes(1))) struct TLSConnectionTests {
  static func options(_ version: TLSVersion) -> TLSOptions {
    var options = TLSOptions()
    options.minimumVersion = version
    options.maximumVersion = version
    return options
  }

  @Test("both versions of TLS carry calls of every size", arguments: [TLSVersion.v1_2, .v1_3])
  func versions(_ version: TLSVersion) async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let channel = try stage.channel(.tls(roots: Certificates.roots, options: Self.options(version)))
      for size in [0, 1, 16 << 10, 3 << 20] {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        #expect(try await channel.echo(bytes).message == bytes)
      }
      let security = try #require(try await channel.echo().peer?.security)
      #expect(security.version == "\(version)")
      #expect(security.cipher.contains("GCM") || security.cipher.contains("CHACHA20"))
      #expect(security.identity?.subject.contains("CN=server") == true)
      #expect(security.identity?.isVerified == true)
      #expect(try await channel.who()[0] == "\(version)")
    }
  }

  @Test("a server and a client without a version in common say so, and name their own") func noVersion() async throws {
    let old = Certificates.server("server", options: Self.options(.v1_2))
    try await TLSStage.with(old) { stage in
      let channel = try stage.channel(.tls(roots: Certificates.roots, options: Self.options(.v1_3)))
      let error = await failure { _ = try await channel.echo() }
      #expect(error.contains("no version of TLS in common") && error.contains("TLS 1.3 only"), "\(error)")
      let line = try await stage.log.line(containing: "no version of TLS in common")
      #expect(line.contains("TLS 1.2 only") && line.contains("client: 127.0.0.1:"))
    }
  }

  @Test("with mutual TLS each side knows the other one's identity") func mutual() async throws {
    let credentials = Certificates.server("server", clients: .required(Certificates.roots))
    try await TLSStage.with(credentials) { stage in
      let channel = try stage.channel(.tls(roots: Certificates.roots, identity: Certificates.client))
      let who = try await channel.who()
      #expect(who[3].contains("CN=client"))
      #expect(who[4] == "spiffe://volery.test/ns/shop/sa/orders")
      #expect(who[5] == "client.test")
      #expect(who[6] == "client@volery.test")
      #expect(who[7] == "true")
      let identity = try #require(try await channel.echo().peer?.identity)
      #expect(identity.commonName == "server")
      #expect(identity.dnsNames == ["localhost", "orders.test", "*.pods.test"])
      #expect(identity.ipAddresses == ["127.0.0.1", "::1"])
      #expect(identity.issuer.contains("CN=Test Root"))
      #expect(identity.notBefore < Int64(Date().timeIntervalSince1970))
      #expect(identity.notAfter > Int64(Date().timeIntervalSince1970))
      #expect(identity.certificate == Certificates.bytes("server.der"))
      #expect(identity.spiffeID == nil)
    }
  }

  @Test("a client may do without a certificate where it is optional, and is known where it has one")
  func optional() async throws {
    let credentials = Certificates.server("server", clients: .optional(Certificates.roots))
    try await TLSStage.with(credentials) { stage in
      let answer = try await stage.who()[3]
      #expect(answer == "")
      let known = try stage.channel(.tls(roots: Certificates.roots, identity: Certificates.client))
      #expect(try await known.who()[3].contains("CN=client"))
    }
  }

  @Test("streams work over TLS") func streams() async throws {
    try await TLSStage.with(Certificates.server("rsa")) { stage in
      let channel = try stage.channel()
      let call = channel.bidirectional(TLSEcho.chat, options: Channel.limit)
      var responses = call.makeAsyncIterator()
      for index in 0..<50 {
        let message = [UInt8](repeating: UInt8(index), count: index * 1000)
        try await call.send(message)
        #expect(try await responses.next() == message)
      }
      call.finish()
      #expect(try await responses.next() == nil)
    }
  }

  @Test("TLS and plaintext listeners of one server, unix sockets among them") func sideBySide() async throws {
    let name = UUID().uuidString.prefix(8)
    let path = NSTemporaryDirectory() + "volery-tls-\(name).sock"
    try await TLSStage.with(Certificates.server("server")) { stage in
      let plain = try stage.server.start(listeningOn: .tcp("127.0.0.1", 0), credentials: .plaintext)[0]
      let unix = try stage.server.start(listeningOn: .unix(path))[0]
      let open = try Channel("ipv4:\(plain)")
      #expect(try await open.who()[0] == "plaintext")
      let answer = try await stage.who()[0]
      #expect(answer == "TLS 1.3")
      let local = try Channel("\(unix)", credentials: .tls(roots: Certificates.roots))
      #expect(try await local.who()[0] == "TLS 1.3")
      let bare = try stage.server.start(listeningOn: .unixAbstract("volery-\(name)"), credentials: .plaintext)[0]
      #expect(try await Channel("\(bare)").who()[0] == "plaintext")
    }
  }

  @Test(
    "names that a certificate has are accepted",
    arguments: ["localhost", "LOCALHOST", "orders.test", "orders.test.", "a.pods.test", "127.0.0.1"])
  func names(_ host: String) async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let answer = try await stage.echo(host: host)
      #expect(answer == [1, 2, 3])
      let override = ChannelCredentials.tls(roots: Certificates.roots, serverName: host)
      let overridden = try await stage.echo(override, host: "elsewhere.test")
      #expect(overridden == [1, 2, 3])
    }
  }

  @Test(
    "names that it does not have are not",
    arguments: ["pods.test", "a.b.pods.test", "127.0.0.2", "localhost.test", "server"])
  func otherNames(_ host: String) async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let error = await failure { _ = try await stage.channel(host: host).echo() }
      #expect(error.contains("it is for \"localhost\", \"orders.test\""), "\(error)")
      #expect(error.contains("not for \"\(host)\""), "\(error)")
    }
  }

  @Test("a call with an authority of its own needs a certificate for that name too (gRFC A81)")
  func callAuthority() async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let channel = try stage.channel()
      var options = Channel.limit
      options.authority = "orders.test"
      #expect(try await channel.unary(TLSEcho.echo, [1], options: options).message == [1])
      options.authority = "elsewhere.test"
      let error = await failure { _ = try await channel.unary(TLSEcho.echo, [1], options: options) }
      #expect(error.contains("UNAVAILABLE") && error.contains("elsewhere.test"), "\(error)")
      #expect(try await channel.echo().message == [1, 2, 3])
    }
  }

  @Test("a certificate without checks, and with a closure that has the last word") func closures() async throws {
    struct NotMine: Error {}
    try await TLSStage.with(Certificates.server("self-signed")) { stage in
      let trusting = try stage.channel(.tls(verification: .none))
      let response = try await trusting.echo()
      #expect(response.peer?.identity?.isVerified == false)
      let picky = try stage.channel(
        .tls(verification: .none) { identity in if identity.commonName != "me" { throw NotMine() } })
      let error = await failure { _ = try await picky.echo() }
      #expect(error.contains("CN=self-signed") && error.contains("NotMine"), "\(error)")
    }
    let spiffe = ClientCertificates.required(Certificates.roots) { identity in
      guard identity.spiffeID == "spiffe://volery.test/ns/shop/sa/orders" else { throw NotMine() }
    }
    try await TLSStage.with(Certificates.server("server", clients: spiffe)) { stage in
      let known = try stage.channel(.tls(roots: Certificates.roots, identity: Certificates.client))
      #expect(try await known.echo().message == [1, 2, 3])
      let unknown = try stage.channel(
        .tls(roots: Certificates.roots, identity: Certificates.pair("server")))
      let error = await failure { _ = try await unknown.echo() }
      #expect(error.contains("UNAVAILABLE"), "\(error)")
      _ = try await stage.log.line(containing: "CN=server")
    }
  }

  @Test("any name is accepted where names are not checked, and only with a good chain") func anyName() async throws {
    try await TLSStage.with(Certificates.server("wrong-host")) { stage in
      let channel = try stage.channel(.tls(roots: Certificates.roots, verification: .anyName))
      #expect(try await channel.echo().message == [1, 2, 3])
    }
    try await TLSStage.with(Certificates.server("untrusted")) { stage in
      let error = await failure {
        _ = try await stage.channel(.tls(roots: Certificates.roots, verification: .anyName)).echo()
      }
      #expect(error.contains("CN=Other Root"), "\(error)")
    }
  }

  @Test(
    "a second connection resumes the session of the first, with the same identities",
    arguments: [TLSVersion.v1_2, .v1_3])
  func resumption(_ version: TLSVersion) async throws {
    let credentials = Certificates.server(
      "server", clients: .required(Certificates.roots), options: Self.options(version))
    try await TLSStage.with(credentials) { stage in
      let channel = try stage.channel(.tls(roots: Certificates.roots, identity: Certificates.client))
      #expect(try await channel.who()[2] == "false")
      #expect(try await channel.echo().peer?.security?.isResumed == false)
      channel.enterIdle()
      _ = await channel.waitForStateChange(from: .ready)
      let who = try await channel.who()
      #expect(who[2] == "true")
      #expect(who[3].contains("CN=client") && who[7] == "true")
      let security = try #require(try await channel.echo().peer?.security)
      #expect(security.isResumed && security.identity?.commonName == "server")
    }
  }

  @Test("sessions are not resumed where an option forbids it") func noResumption() async throws {
    var options = TLSOptions()
    options.resumesSessions = false
    try await TLSStage.with(Certificates.server("server", options: options)) { stage in
      let channel = try stage.channel()
      #expect(try await channel.who()[2] == "false")
      channel.enterIdle()
      _ = await channel.waitForStateChange(from: .ready)
      #expect(try await channel.who()[2] == "false")
    }
  }

  @Test("the system's roots are the default") func systemRoots() async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let error = await failure { _ = try await stage.channel(.tls()).echo() }
      #expect(error.contains("CN=Test Root") && error.contains("not one of the trusted roots"), "\(error)")
      let added = ChannelCredentials.tls(roots: .system.adding(Certificates.file("ca.crt")))
      let answer = try await stage.echo(added)
      #expect(answer == [1, 2, 3])
    }
  }
}
