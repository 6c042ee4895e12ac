import Foundation
import TestSupport
import Testing
import Volery

@Suite("Health with grpcio-health-checking", .serialized, .timeLimit(.minutes(3))) struct HealthInteropTests {
  /// What a process says, line by line.
  struct Lines {
    let process: ChildProcess
    private var rest = ""

    init(_ arguments: [String]) throws { process = try ChildProcess(arguments) }

    /// The next line; nil at the end.
    mutating func next() -> String? {
      while true {
        if let end = rest.firstIndex(of: "\n") {
          defer { rest = String(rest[rest.index(after: end)...]) }
          return String(rest[..<end])
        }
        let more = process.read()
        guard !more.isEmpty else { return nil }
        rest += more
      }
    }
  }

  @Test("its client hears each change of a service that it did not know, and the end when the server drains")
  func watched() async throws {
    let health = Health()
    let server = Server(services: [health])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let python = try InteropTests.python()
    var lines = try Lines([python, InteropTests.script("health_watch.py"), "\(address)", "shop.Orders"])
    #expect(lines.next() == "SERVICE_UNKNOWN")
    health.set(.serving, for: "shop.Orders")
    #expect(lines.next() == "SERVING")
    health.set(.notServing, for: "shop.Orders")
    #expect(lines.next() == "NOT_SERVING")
    health.set(.serving, for: "shop.Orders")
    #expect(lines.next() == "SERVING")
    await server.drain()
    #expect(lines.next() == "NOT_SERVING")
    #expect(lines.next() == "OK")
    #expect(lines.process.stop() == 0)
  }

  @Test(
    "our channel leaves its server while that says NOT_SERVING, of itself or of the configured service, and comes back")
  func obeyed() async throws {
    for config in ["{}", #"{"healthCheckConfig": {"serviceName": "grpc.testing.TestService"}}"#] {
      var servers = try (0...1).map { index in
        try Lines([InteropTests.python(), InteropTests.script("server.py"), "127.0.0.1:0", "server-\(index)"])
      }
      let addresses = try servers.indices.map { index in
        try #require(servers[index].next()?.split(separator: " ").last.map(String.init))
      }
      var options = ChannelOptions()
      options.serviceConfig = try ServiceConfig(json: config)
      let channel = try Channel("static:///\(addresses.joined(separator: ","))", options: options)
      let empty = Method<[UInt8], [UInt8]>(service: "grpc.testing.TestService", name: "EmptyCall", kind: .unary)
      func used() async throws -> Set<String> {
        var used: Set<String> = []
        for _ in 0..<12 {
          let response = try await channel.unary(empty, [], options: CallOptions(timeout: .seconds(20)))
          if let address = response.peer?.address { used.insert("\(address)") }
        }
        return used
      }
      try await eventually("both are used") { try await used() == Set(addresses) }
      servers[0].process.signal(SIGUSR1)
      try await eventually("one is left") { try await used() == [addresses[1]] }
      servers[0].process.signal(SIGUSR2)
      try await eventually("both are used again") { try await used() == Set(addresses) }
      for server in servers { #expect(server.process.stop(SIGTERM) == 0) }
    }
  }
}
