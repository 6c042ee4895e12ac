import Foundation
import TestSupport
import Testing

/// Servers as processes of their own, stopped and let go on: what a node does that swaps, or a debugger.
@Suite("A frozen server", .serialized, .timeLimit(.minutes(1))) struct FrozenServerTests {
  private struct Call {
    let start: Double
    let code: Int
    let server: Substring

    init?(_ line: Substring) {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false)
      guard fields.count == 4, let start = Double(fields[0]), let code = Int(fields[2]) else { return nil }
      (self.start, self.code, self.server) = (start, code, fields[3])
    }
  }

  private func startServer(_ name: String) throws -> (ChildProcess, port: String) {
    let process = try ChildProcess([InteropTests.program, "server", "--bind", "127.0.0.1:0", "--server_id", name])
    let port = try #require(process.readLine().line.split(separator: ":").last.map(String.init))
    return (process, port)
  }

  /// Whether somebody has a connection to each of these ports of 127.0.0.1.
  private func areConnected(_ ports: [String]) throws -> Bool {
    let lines = try systemFile("/proc/net/tcp").split(separator: "\n").dropFirst()
    let remotes = lines.map { $0.split(separator: " ") }.filter { $0[3] == "01" }.map { $0[2] }
    return ports.allSatisfy { port in
      let text = String(Int(port) ?? 0, radix: 16, uppercase: true)
      return remotes.contains("0100007F:" + String(repeating: "0", count: 4 - text.count) + text)
    }
  }

  @Test("costs the calls that wait for it, then none, and is back when it goes on") func frozen() async throws {
    let servers = try ["a", "b", "c"].map(startServer)
    let target = "static:///" + servers.map { "127.0.0.1:\($0.port)" }.joined(separator: ",")
    let log = FileManager.default.temporaryDirectory.appendingPathComponent("volery-frozen-\(UUID().uuidString).csv")
    defer { try? FileManager.default.removeItem(at: log) }
    let load = try ChildProcess([
      InteropTests.program, "load", "--target", target, "--rate", "200", "--duration", "9", "--timeout_ms", "1000",
      "--out", log.path,
    ])
    #expect(try load.readLine().line.hasPrefix("READY"))
    try await eventually("the client has a connection to each server") { try areConnected(servers.map(\.port)) }
    let frozenAt = Date().timeIntervalSince1970
    servers[1].0.signal(SIGSTOP)
    try await Task.sleep(for: .seconds(5))
    let thawedAt = Date().timeIntervalSince1970
    servers[1].0.signal(SIGCONT)
    _ = load.readToEnd()
    #expect(load.stop() == 0)
    let calls = try String(contentsOf: log, encoding: .utf8).split(separator: "\n").compactMap(Call.init)
    #expect(calls.count == 1800)
    let failed = calls.filter { $0.code != 0 }
    #expect(failed.count <= 25, "\(failed.map { $0.start - frozenAt })")
    #expect(failed.allSatisfy { $0.start - frozenAt < 3 }, "\(failed.map { $0.start - frozenAt })")
    let back = calls.first { $0.start > thawedAt && $0.server == "b" }
    #expect(back.map { $0.start - thawedAt < 2.5 } == true, "\(String(describing: back))")
    for server in servers { #expect(server.0.stop(SIGTERM) == 0) }
  }
}
