import Foundation
import TestSupport
import Testing
import Volery

/// Peers that do not do as TLS or gRPC say: both sides get an error that says what happened, and others never notice.
@Suite("Hostile peers of TLS", .timeLimit(.minutes(1))) struct HostileTLSTests {
  /// A command of the system, with its standard error.
  static func run(_ command: String) async throws -> String {
    try await Task.detached { try ChildProcess.run(["sh", "-c", "(\(command)) 2>&1"]).output }.value
  }

  /// - Parameter input: A command whose output the client gets.
  static func client(_ stage: TLSStage, _ flags: String, input: String = "true") async throws -> String {
    try await run(
      "(\(input)) | timeout 20 openssl s_client -connect 127.0.0.1:\(stage.port) -servername localhost "
        + "-CAfile \(Certificates.path("ca.crt")) \(flags)")
  }

  @Test(
    "openssl s_client sees the versions, the chain and the protocol that it should",
    arguments: [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
  func opensslClient(_ flag: String, _ version: String) async throws {
    try await TLSStage.with(Certificates.server("deep-chain")) { stage in
      let output = try await Self.client(stage, "-alpn http/1.1,h2 -showcerts \(flag)")
      #expect(output.contains("ALPN protocol: h2"))
      #expect(output.contains(version))
      #expect(output.contains("Verify return code: 0 (ok)"), "\(output)")
      #expect(output.components(separatedBy: "BEGIN CERTIFICATE").count == 3, "two certificates, without the root")
      #expect(!output.contains("Secure Renegotiation IS NOT supported") || version == "TLSv1.3")
    }
  }

  @Test("curl --http2 talks to the server") func curl() async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let output = try await Self.run(
        "printf '\\000\\000\\000\\000\\001x' | curl -sv --http2 --max-time 20 --cacert \(Certificates.path("ca.crt")) "
          + "-H 'content-type: application/grpc' -H 'te: trailers' --data-binary @- --output /dev/null "
          + "https://localhost:\(stage.port)/test.TLS/Echo")
      #expect(output.contains("ALPN: server accepted h2"), "\(output)")
      #expect(output.contains("HTTP/2 200"))
      #expect(output.contains("grpc-status: 0"))
    }
  }

  @Test("a client without ALPN is refused with an alert that says so") func noALPN() async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let good = try stage.channel()
      _ = try await good.echo()
      let output = try await Self.client(stage, "")
      #expect(output.contains("alert no application protocol") || output.contains("alert number 120"), "\(output)")
      _ = try await stage.log.line(containing: "the client offers no protocol by ALPN; this server speaks h2")
      _ = try await good.echo()
    }
  }

  @Test("a client that speaks http/1.1 only is refused with an alert that says so") func http1() async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let output = try await Self.client(stage, "-alpn http/1.1")
      #expect(output.contains("alert no application protocol") || output.contains("alert number 120"), "\(output)")
      _ = try await stage.log.line(containing: "the client offers the protocols \"http/1.1\" by ALPN")
    }
  }

  @Test("a client that has nothing newer than TLS 1.1 is refused, with what this side has") func oldVersion()
    async throws
  {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let output = try await Self.client(stage, "-alpn h2 -tls1_1 -cipher DEFAULT@SECLEVEL=0")
      #expect(output.contains("alert protocol version") || output.contains("alert number 70"), "\(output)")
      let line = try await stage.log.line(containing: "no version of TLS in common")
      #expect(line.contains("TLS 1.2 to TLS 1.3"))
    }
  }

  @Test("a client that asks for renegotiation does not get it") func renegotiation() async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let good = try stage.channel()
      _ = try await good.echo()
      let output = try await Self.client(stage, "-alpn h2 -tls1_2", input: "sleep 0.2; echo R; sleep 0.5")
      #expect(output.contains("RENEGOTIATING"))
      #expect(output.contains("no renegotiation"), "\(output)")
      _ = try await good.echo()
    }
  }

  @Test("plaintext to a TLS port: both sides say what it is") func plaintextToTLS() async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let error = await failure { _ = try await stage.channel(.plaintext).echo() }
      #expect(
        error.contains("the server speaks TLS on this port, and the channel's credentials are plaintext"), "\(error)")
      let line = try await stage.log.line(containing: "HTTP/2 in plaintext to a TLS port")
      #expect(line.contains("client: 127.0.0.1:"))
      _ = try await Self.run("curl -s --max-time 5 http://localhost:\(stage.port)/")
      _ = try await stage.log.line(containing: "plain HTTP/1 to a TLS port")
    }
  }

  @Test("TLS to a plaintext port: both sides say what it is") func tlsToPlaintext() async throws {
    try await TLSStage.with(.plaintext) { stage in
      let error = await failure { _ = try await stage.channel().echo() }
      #expect(error.contains("the server speaks HTTP/2 in plaintext on this port, not TLS"), "\(error)")
      _ = try await stage.log.line(containing: "the client speaks TLS to a plaintext port")
    }
  }

  @Test("a server that does not speak h2 is named for what it speaks") func serverWithoutH2() async throws {
    try await withOpenSSLServer("-alpn http/1.1") { channel in
      let error = await failure { _ = try await channel.echo() }
      #expect(error.contains("does not speak h2 by ALPN"), "\(error)")
    }
  }

  @Test("a server without ALPN is named for it") func serverWithoutALPN() async throws {
    try await withOpenSSLServer("") { channel in
      let error = await failure { _ = try await channel.echo() }
      #expect(error.contains("the server does not speak h2 by ALPN: it chose nothing"), "\(error)")
    }
  }

  @Test("a server that has nothing newer than TLS 1.1 is refused, with what this side has") func oldServer()
    async throws
  {
    try await withOpenSSLServer("-alpn h2 -tls1_1 -cipher DEFAULT@SECLEVEL=0") { channel in
      let error = await failure { _ = try await channel.echo() }
      #expect(error.contains("no version of TLS in common") && error.contains("TLS 1.2 to TLS 1.3"), "\(error)")
    }
  }

  /// `openssl s_server` in the place of a server.
  private func withOpenSSLServer(_ flags: String, _ body: (Channel) async throws -> Void) async throws {
    let probe = Server(services: [])
    guard case .tcp(_, let port) = try probe.start(listeningOn: .tcp("127.0.0.1", 0))[0] else { return }
    probe.shutDown()
    await probe.waitUntilStopped()
    // It ends when its standard input does: a pipe to itself never ends.
    let pipe = Certificates.path("endless-input")
    let words = "exec openssl s_server -accept 127.0.0.1:\(port) -cert \(Certificates.path("server.crt"))"
    let server = try ChildProcess([
      "sh", "-c",
      "[ -e \(pipe) ] || mkfifo \(pipe); \(words) -key \(Certificates.path("server.key")) \(flags) <>\(pipe) 2>&1",
    ])
    defer { _ = server.stop(SIGKILL) }
    var output = ""
    while !output.contains("ACCEPT") {
      let more = server.read()
      try #require(!more.isEmpty, "\(output)")
      output += more
    }
    try await body(Channel("localhost:\(port)", credentials: .tls(roots: Certificates.roots)))
  }

  // MARK: Peers that stall

  @Test("a client that stalls in its handshake is let go of in time") func stalls() async throws {
    var options = ServerOptions()
    options.handshakeTimeout = .milliseconds(300)
    try await TLSStage.with(Certificates.server("server"), options: options) { stage in
      let silent = try RawSocket(port: stage.port)
      let half = try RawSocket(port: stage.port)
      half.write([22, 3, 1, 2, 0, 1, 0])
      let line = try await stage.log.line(containing: "no TLS handshake within 0.3 seconds")
      #expect(line.contains("client: 127.0.0.1:"))
      #expect(await silent.isClosedByPeer())
      #expect(await half.isClosedByPeer())
    }
  }

  @Test("fifty stalled handshakes beside good calls: new connections and old ones do not notice") func fiftyStalls()
    async throws
  {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let old = try stage.channel()
      _ = try await old.echo()
      let stalled = try (0..<50).map { _ in try RawSocket(port: stage.port) }
      for socket in stalled { socket.write([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]) }
      for _ in 0..<100 {
        let answer = try await old.echo()
        #expect(answer.message == [1, 2, 3])
      }
      for _ in 0..<10 {
        let answer = try await stage.echo()
        #expect(answer == [1, 2, 3])
      }
      withExtendedLifetime(stalled) {}
    }
  }

  @Test("handshakes above the limit are refused until there is room again") func handshakeLimit() async throws {
    var options = ServerOptions()
    options.maxConcurrentHandshakes = 2
    options.eventLoops = 1  // So that they are counted in the order of their coming.
    try await TLSStage.with(Certificates.server("server"), options: options) { stage in
      let old = try stage.channel()
      _ = try await old.echo()
      var stalled = try (0..<2).map { _ in try RawSocket(port: stage.port) }
      let third = try RawSocket(port: stage.port)
      #expect(await third.isClosedByPeer())
      let line = try await stage.log.line(containing: "the server is at its limit of 2 TLS handshakes in progress")
      #expect(line.contains("client: 127.0.0.1:"))
      #expect(try await old.echo().message == [1, 2, 3])
      stalled.removeAll()
      _ = try await stage.log.line(containing: "closed the connection before the TLS handshake")
      let channel = try stage.channel()
      try await channel.waitUntilReady(.after(.seconds(20)))
      #expect(try await channel.echo().message == [1, 2, 3])
    }
  }

  @Test("a server that stalls in its handshake is named, with where it stalls") func stallingServer() async throws {
    let listener = try RawListener()
    let channel = try Channel("ipv4:127.0.0.1:\(listener.port)", credentials: .tls(roots: Certificates.roots))
    let error = await failure { _ = try await channel.echo() }
    #expect(error.contains("connected, but no TLS handshake within 1"), "\(error)")
  }
}
