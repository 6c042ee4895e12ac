import TestSupport
import Testing
import Volery

@Suite("Servers and proxies that end connections again and again", .timeLimit(.minutes(1)))
struct ConnectionEndTests {
  private static let method = Method<[UInt8], [UInt8]>(service: "test.Scripted", name: "Call", kind: .unary)

  @Test(
    "a proxy may end each connection after n calls (nginx, keepalive_requests): none fails, and none waits",
    arguments: [1, 2, 7, 50])
  func callsPerConnection(_ limit: Int) async throws {
    let server = try ScriptedServer(.init(callsPerConnection: limit))
    defer { server.stop() }
    let channel = try Channel(server.target)
    let total = 400
    let started = ContinuousClock.now
    for index in 0..<total {
      do throws(StatusError) {
        _ = try await channel.unary(Self.method, [], options: CallOptions(timeout: .seconds(10)))
      } catch {
        Issue.record("call \(index): \(error)")
        return
      }
    }
    // With a pause after each short life, as it was, 400 calls at 7 a connection took half a minute.
    #expect(started.duration(to: .now) < .seconds(20))
    #expect(server.connectionCount >= total / limit)
    #expect(server.mostCalls <= limit)
  }

  @Test("the same with many calls at once: what the proxy has not taken is sent again") func concurrent() async throws {
    let server = try ScriptedServer(.init(callsPerConnection: 10))
    defer { server.stop() }
    let channel = try Channel(server.target)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<100 {
        group.addTask {
          for _ in 0..<5 { _ = try await channel.unary(Self.method, [], options: CallOptions(timeout: .seconds(10))) }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test(
    "a server that serves nothing is left alone for a while, whether it closes or refuses",
    arguments: [ScriptedServer.Script(closesAtOnce: true), ScriptedServer.Script(refusesEverything: true)])
  func useless(_ script: ScriptedServer.Script) async throws {
    let server = try ScriptedServer(script)
    defer { server.stop() }
    let channel = try Channel(server.target)
    let started = ContinuousClock.now
    var failures = 0
    while started.duration(to: .now) < .seconds(2) {
      do throws(StatusError) {
        _ = try await channel.unary(Self.method, [], options: CallOptions(timeout: .milliseconds(500)))
      } catch {
        failures += 1
        #expect(error.code == .unavailable || error.code == .deadlineExceeded, "\(error)")
      }
      try await Task.sleep(for: .milliseconds(1))
    }
    #expect(failures > 0)
    #expect(server.connectionCount <= 12, "2 s: four lives, then waits of seconds")
  }
}
