import Foundation
import TestSupport
import Testing

/// Examples that end by themselves say what they should.
@Suite("Examples", .timeLimit(.minutes(1))) struct ExampleTests {
  @Test("own-messages makes calls with JSON") func ownMessages() throws {
    let program = InteropTests.program.replacing("volery-interop", with: "own-messages")
    let (output, code) = try ChildProcess.run([program])
    #expect(
      output == """
        now: 21.5 in Lisbon
        watch: 21.5
        watch: 22.0
        watch: 22.5
        sunrise: 1700000000
        careless: INTERNAL

        """)
    #expect(code == 0)
  }

  @Test("server-share's observers agree with the servers") func serverShare() throws {
    let program = InteropTests.program.replacing("volery-interop", with: "server-share")
    let (output, code) = try ChildProcess.run([program])
    let lines = output.split(separator: "\n").map {
      $0.split(separator: ",").compactMap { Int($0.drop { !$0.isNumber }) }
    }
    #expect(lines.count == 3 && lines.allSatisfy { $0.count == 2 && $0[0] == $0[1] && $0[0] > 50 }, "\(output)")
    #expect(lines.reduce(0) { $0 + $1[0] } == 300)
    #expect(code == 0)
  }

  @Test("prometheus-metrics writes what Prometheus reads") func prometheusMetrics() throws {
    let program = InteropTests.program.replacing("volery-interop", with: "prometheus-metrics")
    let (output, code) = try ChildProcess.run([program])
    #expect(code == 0)
    let picks = output.split(separator: "\n").filter { $0.hasPrefix("volery_channel_picks_total{") }
      .compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
    #expect(picks.count == 3 && picks.allSatisfy { $0 > 50 } && picks.reduce(0, +) == 300, "\(output)")
    #expect(output.contains("grpc_server_call_started_total{grpc_method=\"demo.Echo/Echo\"} 300\n"))
    #expect(output.contains("# TYPE grpc_server_call_duration_seconds histogram\n"))
  }

  @Test("interceptors has its calls authenticated, numbered and logged") func interceptors() throws {
    let program = InteropTests.program.replacing("volery-interop", with: "interceptors")
    let (output, code) = try ChildProcess.run([program])
    #expect(
      output == """
        stock: tea for the shop, request r1
        stock: /demo.Stock/Take OK
        shop: /demo.Shop/Buy OK
        ann: tea, request r1
        shop: /demo.Shop/Buy UNAUTHENTICATED
        stranger: UNAUTHENTICATED: a known bearer token is needed

        """)
    #expect(code == 0)
  }

  @Test("ten-lines has the interceptors and observers of the pages at work") func tenLines() throws {
    let program = InteropTests.program.replacing("volery-interop", with: "ten-lines")
    let (output, code) = try ChildProcess.run([program])
    for line in [
      "r1: jam, please", "a response of 15 bytes", "slow: /demo.Shop/Buy OK, 11 bytes", "no scones today",
      "/demo.Shop/Buy failed: ", "UNAUTHENTICATED: no token, or another one", "attempts: 4",
    ] { #expect(output.contains(line), "\(line) is missing in\n\(output)") }
    #expect(code == 0)
  }

  @Test("zone-policy keeps calls in the zone, spills over, and comes back") func zonePolicy() throws {
    let program = InteropTests.program.replacing("volery-interop", with: "zone-policy")
    let (output, code) = try ChildProcess.run([program])
    #expect(code == 0)
    let lines = output.split(separator: "\n")
    /// Calls of zones a and b, as a line says.
    func calls(_ start: String) throws -> [Int] {
      let line = try #require(lines.first { $0.hasPrefix(start) }, "\(output)")
      return line.split(separator: ":")[1].split(separator: ",").compactMap { Int($0.dropFirst(3)) }
    }
    #expect(try calls("all is well") == [400, 0])
    #expect(try calls("zone a is slow")[1] > 200)
    #expect(try calls("zone a is gone") == [0, 400])
    #expect(try calls("zone a is back") == [400, 0])
  }

  @Test("in-memory-registry follows a registry of the program's own") func registry() throws {
    let program = InteropTests.program.replacing("volery-interop", with: "in-memory-registry")
    let (output, code) = try ChildProcess.run([program])
    let lines = output.split(separator: "\n")
    #expect(lines.first?.contains("nobody has registered as greeters") == true)
    #expect(
      lines.dropFirst() == [
        "ada and bob have come: ada 6, bob 6", "cyd has come: ada 4, bob 4, cyd 4", "ada has gone: bob 6, cyd 6",
      ])
    #expect(code == 0)
  }

  @Test("bearer-token gets tokens, renews them, and sends none in plaintext") func bearerToken() throws {
    let program = InteropTests.program.replacing("volery-interop", with: "bearer-token")
    let (output, code) = try ChildProcess.run([program])
    #expect(
      output == """
        100 calls as shop, tokens issued: 1
        no call failed while the token was renewed, tokens issued: 2
        without a token: UNAUTHENTICATED: a bearer token is needed
        with a guessed secret: UNAUTHENTICATED: no call credentials: the token server refused: invalid_client
        in plaintext: UNAUTHENTICATED: call credentials are not sent in plaintext: give the channel TLS credentials

        """)
    #expect(code == 0)
  }

  @Test("watch prints who is behind a target, and each change") func watch() throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("volery-watch-\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: file) }
    func write(_ text: String) throws { try text.write(to: file, atomically: true, encoding: .utf8) }
    try write(#"{"endpoints": ["127.0.0.1:1", {"address": "127.0.0.1:2", "weight": 7}]}"#)
    let program = InteropTests.program.replacing("volery-interop", with: "watch")
    let child = try ChildProcess([program, "file://\(file.path)"])
    var output = ""
    func wait(for text: String) {
      while !output.contains(text) {
        let more = child.read()
        guard !more.isEmpty else { return #expect(Bool(false), "\(text) is missing in \(output)") }
        output += more
      }
    }
    wait(for: "+ 127.0.0.1:1\n")
    wait(for: "+ 127.0.0.1:2 weight 7\n")
    try write(#"{"endpoints": ["127.0.0.1:2"]}"#)
    wait(for: "- 127.0.0.1:1\n")
    try write("{")
    wait(for: "is bad: not JSON")
    #expect(child.stop(SIGTERM) == 128 + SIGTERM)
  }

  @Test("failover-policy goes to the next priority, and comes back") func failover() throws {
    let program = InteropTests.program.replacing("volery-interop", with: "failover-policy")
    let (output, code) = try ChildProcess.run([program])
    #expect(
      output == """
        all is well: ada 6, bob 6
        ada is gone: bob 12
        bob too: cyd 6, dan 6
        eve has come: eve 12
        one leads: true

        """)
    #expect(code == 0)
  }

  @Test("ports-resolver follows the ports in a file") func portsResolver() throws {
    let program = InteropTests.program.replacing("volery-interop", with: "ports-resolver")
    let (output, code) = try ChildProcess.run([program])
    #expect(output == "one port: ada\ntwo ports: ada and bob\nthe other one: bob\n")
    #expect(code == 0)
  }

  @Test(
    "what a page says how to write is what its example has",
    arguments: [
      ("Resolvers", "## A resolver of your own", "PortsResolver"),
      ("Balancing", "## A policy of your own", "FailoverPolicy"),
      ("Balancing", "### Policies below policies", "FailoverPolicy"),
    ])
  func pages(_ page: String, _ heading: String, _ example: String) throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let folder = root.appendingPathComponent("Examples/\(example)")
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    var known: Set<String> = []
    for file in files { known.formUnion(Self.lines(of: try String(contentsOf: file, encoding: .utf8))) }
    let text = try String(contentsOf: root.appendingPathComponent("Docs/\(page).md"), encoding: .utf8)
    let section = try #require(text.components(separatedBy: "\n\(heading)\n").dropFirst().first)
    var isCode = false
    var count = 0
    for line in Self.lines(of: section) {
      if line.hasPrefix("## ") || line.hasPrefix("### ") { break }
      if line.hasPrefix("```") {
        isCode = line == "```swift"
      } else if isCode, !line.hasPrefix("//") {
        count += 1
        #expect(known.contains(line), "\(page).md, \(heading): \(line)")
      }
    }
    #expect(count > 10)
  }

  /// Without their indentation.
  private static func lines(of text: String) -> [String] {
    text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
  }
}
