import TestSupport
import Testing
import Volery

/// What peers put into handshakes and certificates comes into logs and errors, but can't pass for a line of them.
@Suite("Text of TLS peers", .timeLimit(.minutes(1))) struct ForeignTextTests {
  @Test("a client's ALPN names begin no line of the server's log") func protocols() async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let name = "x\"\ncritical volery.server: FORGED \u{1b}[31m"
      _ = try await HostileTLSTests.client(stage, "-alpn '\(name)'")
      let line = try await stage.log.line(containing: "by ALPN")
      #expect(line.contains("the protocols \"x\\\"\\ncritical volery.server: FORGED \\u{1b}"), "\(line)")
      #expect(!line.contains("\n") && !line.contains("\u{1b}"))
    }
  }

  @Test("a client's ALPN names are cut") func manyProtocols() async throws {
    try await TLSStage.with(Certificates.server("server")) { stage in
      let names = (0..<20).map { "\($0)" + String(repeating: "y", count: 200) }.joined(separator: ",")
      _ = try await HostileTLSTests.client(stage, "-alpn '\(names)'")
      let line = try await stage.log.line(containing: "by ALPN")
      #expect(line.count < 800, "\(line.count)")
    }
  }

  @Test("a server's certificate names begin no line of the client's log, nor of its errors") func names() async throws {
    try await TLSStage.with(Certificates.server("forger")) { stage in
      let log = LogRecorder()
      var options = ChannelOptions()
      options.logger = log.logger
      let channel = try Channel(
        "ipv4:\(stage.address)", credentials: .tls(roots: Certificates.roots, serverName: "localhost"),
        options: options)
      let error = await #expect(throws: StatusError.self) { try await channel.echo() }
      let text = error?.message ?? ""
      #expect(
        text.contains("it is for \"elsewhere\\ncritical volery.channel: FORGED\", not for \"localhost\""), "\(text)")
      #expect(!text.contains("\n"))
      let line = try await log.line(containing: "FORGED")
      #expect(!line.contains("\n"))
    }
  }
}
