import Foundation
import TestSupport
import Testing

/// Every case again, over TLS and over mutual TLS, in both directions.
@Suite("Interoperability with grpcio over TLS", .serialized, .timeLimit(.minutes(5))) struct TLSInteropTests {
  static func path(_ name: String) -> String { TestCertificates.path(name) }

  static func serverFlags(isMutual: Bool) -> [String] {
    ["--use_tls", "--cert", path("server.crt"), "--key", path("server.key")]
      + (isMutual ? ["--client_ca", path("ca.crt")] : [])
  }

  static func clientFlags(isMutual: Bool) -> [String] {
    ["--use_tls", "--ca_file", path("ca.crt")]
      + (isMutual ? ["--cert", path("client.crt"), "--key", path("client.key")] : [])
  }

  static func client(_ port: String, isMutual: Bool, _ flags: [String] = []) throws -> (output: String, code: Int32) {
    try InteropTests.run(
      [
        InteropTests.program, "client", "--server_host", "127.0.0.1", "--server_port", port, "--test_case", "all",
        "--soak_per_iteration_max_acceptable_latency_ms", "5000",
      ] + clientFlags(isMutual: isMutual) + flags)
  }

  @Test("our client against grpcio's server", arguments: [false, true]) func ourClient(_ isMutual: Bool) throws {
    let environment =
      ["CERT=\(Self.path("server.crt"))", "KEY=\(Self.path("server.key"))"]
      + (isMutual ? ["CLIENT_CA=\(Self.path("ca.crt"))"] : [])
    let server = try [InteropTests.python(), InteropTests.script("server.py"), "127.0.0.1:0", "grpcio"]
    try InteropTests.withServer(["env"] + environment + server) { port in
      let (output, code) = try Self.client(port, isMutual: isMutual)
      InteropTests.check(output, code, atLeast: 22)
    }
  }

  @Test("grpcio's client against our server", arguments: [false, true]) func ourServer(_ isMutual: Bool) throws {
    let server = [InteropTests.program, "server", "--bind", "127.0.0.1:0"] + Self.serverFlags(isMutual: isMutual)
    try InteropTests.withServer(server) { port in
      let own = isMutual ? [Self.path("client.crt"), Self.path("client.key")] : []
      let (output, code) = try InteropTests.run(
        [InteropTests.python(), InteropTests.script("client.py"), "localhost:\(port)", Self.path("ca.crt")] + own)
      InteropTests.check(output, code, atLeast: 21)
    }
  }

  @Test("our client against our server, by another name", arguments: [false, true])
  func ourselves(_ isMutual: Bool) throws {
    let server = [InteropTests.program, "server", "--bind", "127.0.0.1:0"] + Self.serverFlags(isMutual: isMutual)
    try InteropTests.withServer(server) { port in
      let (output, code) = try Self.client(port, isMutual: isMutual, ["--server_host_override", "orders.test"])
      InteropTests.check(output, code, atLeast: 24)
      #expect(!output.contains("SKIP"))
    }
  }

  @Test("the probe's flags: roots, a name, a certificate; without a certificate it reports why") func probe() throws {
    let server = [InteropTests.program, "server", "--bind", "127.0.0.1:0"] + Self.serverFlags(isMutual: true)
    try InteropTests.withServer(server) { port in
      let words = [
        InteropTests.program, "probe", "--target", "127.0.0.1:\(port)", "--ca_file", Self.path("ca.crt"),
        "--server_name", "orders.test", "--req", "1", "--resp", "1",
      ]
      let good = try InteropTests.run(words + ["--cert", Self.path("client.crt"), "--key", Self.path("client.key")])
      #expect(good.output.contains("\"code\":0"), "\(good.output)")
      let bare = try InteropTests.run(words)
      #expect(bare.output.contains("\"code\":14") && bare.output.contains("certificate"), "\(bare.output)")
    }
  }
}
