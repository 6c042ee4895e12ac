import Foundation
import TestSupport
import Testing

/// Other implementations on the wire: grpcio from PyPI, in a virtual environment that these tests make.
@Suite("Interoperability with grpcio", .serialized, .timeLimit(.minutes(5))) struct InteropTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let program = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent()
    .appendingPathComponent("volery-interop").path

  static func script(_ name: String) -> String { root.appendingPathComponent("Tests/Interop/\(name)").path }

  static func run(_ arguments: [String]) throws -> (output: String, code: Int32) { try ChildProcess.run(arguments) }

  static func python() throws -> String {
    let (output, code) = try run([script("environment.sh")])
    try #require(code == 0, "the Python environment can't be made")
    return output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Starts a server, waits for "LISTENING address:port", and gives `body` the port; ends it with SIGTERM.
  static func withServer(_ arguments: [String], _ body: (String) throws -> Void) throws {
    let process = try ChildProcess(arguments)
    let line = try process.readLine().line
    try body(try #require(line.split(separator: ":").last.map(String.init), "\(arguments): \(line)"))
    #expect(process.stop(SIGTERM) == 0, "a server that is drained ends with 0")
  }

  /// - Parameter names: Cases that have to be among those that passed.
  static func check(_ output: String, _ code: Int32, atLeast count: Int, _ names: String...) {
    let passed = Set(output.split(separator: "\n").filter { $0.hasPrefix("PASS ") }.map { $0.split(separator: " ")[1] })
    for name in names { #expect(passed.contains(name[...]), "\(name) is missing in \(output)") }
    let failed = output.split(separator: "\n").filter { $0.hasPrefix("FAIL") }
    #expect(failed.isEmpty, "\(failed.joined(separator: "\n"))")
    #expect(output.split(separator: "\n").filter { $0.hasPrefix("PASS") }.count >= count)
    #expect(code == 0)
  }

  @Test("our client against grpcio's server: every case") func ourClient() throws {
    try Self.withServer([Self.python(), Self.script("server.py"), "127.0.0.1:0", "grpcio"]) { port in
      let (output, code) = try Self.run([
        Self.program, "client", "--server_host", "127.0.0.1", "--server_port", port, "--test_case", "all",
        "--soak_per_iteration_max_acceptable_latency_ms", "5000",
      ])
      // grpcio-health-checking 1.85 has List in its schema, but no servicer of it.
      #expect(output.contains("SKIP health_list"))
      #expect(output.contains("PASS orca_per_rpc") && output.contains("PASS orca_oob"))
      Self.check(output, code, atLeast: 27, "server_reflection", "health_check", "health_watch")
    }
  }

  @Test("grpcio's client against our server: every case") func ourServer() throws {
    try Self.withServer([Self.program, "server", "--bind", "127.0.0.1:0"]) { port in
      let (output, code) = try Self.run([Self.python(), Self.script("client.py"), "127.0.0.1:\(port)"])
      #expect(output.contains("PASS orca_oob"))
      Self.check(output, code, atLeast: 26, "server_reflection", "health_check", "health_list", "health_watch")
    }
  }

  @Test(
    "grpcio's own weighted_round_robin goes by our servers' load reports, with calls and by themselves",
    arguments: ["calls", "oob"])
  func weighted(_ how: String) throws {
    // 100 and 300 calls/s at the same utilization.
    try Self.withServer([Self.program, "server", "--bind", "127.0.0.1:0", "--server_id", "small", "--load", "0.5,100"])
    {
      small in
      try Self.withServer([
        Self.program, "server", "--bind", "127.0.0.1:0", "--server_id", "large", "--load", "0.5,300",
      ]) {
        large in
        let (output, code) = try Self.run([Self.python(), Self.script("weighted.py"), how, small, large])
        let counts = output.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(code == 0 && counts.map(\.first) == ["large", "small"], "\(output)")
        #expect(counts.first.flatMap { $0.last.flatMap { Int($0) } }.map { abs($0 - 300) <= 15 } == true, "\(output)")
      }
    }
  }

  @Test("volery-interop xds-client tells of its calls what the servers have counted themselves, to grpcio's stubs")
  func balanced() throws {
    let (output, code) = try Self.run([Self.python(), Self.script("balanced.py"), "shares", Self.program])
    #expect(code == 0, "\(output)")
    print(output)
  }

  @Test("our client against our server: every case") func ourselves() throws {
    try Self.withServer([Self.program, "server", "--bind", "127.0.0.1:0"]) { port in
      let (output, code) = try Self.run([
        Self.program, "client", "--server_host", "127.0.0.1", "--server_port", port, "--test_case", "all",
        "--soak_per_iteration_max_acceptable_latency_ms", "5000",
      ])
      Self.check(output, code, atLeast: 30, "server_reflection", "health_check", "health_list", "health_watch")
      #expect(!output.contains("SKIP"))
    }
  }

  @Test(
    "servers that misbehave get the answer of the specification",
    arguments: [
      "goaway", "rst_after_header", "rst_during_data", "rst_after_data", "ping", "max_streams", "data_frame_padding",
      "no_df_padding_sanity_test",
    ])
  func misbehaving(_ name: String) throws {
    try Self.withServer([Self.python(), Self.script("misbehaving_server.py"), name]) { port in
      let (output, code) = try Self.run([
        Self.program, "client", "--server_host", "127.0.0.1", "--server_port", port, "--test_case", name,
      ])
      Self.check(output, code, atLeast: 1)
    }
  }

  @Test("a program that says nothing, or that does not end, is waited for with a limit") func limits() throws {
    let silent = try ChildProcess(["sleep", "60"])
    #expect(silent.read(within: .milliseconds(50)) == "")
    #expect(silent.stop() == 128 + SIGKILL)
    let slow = try ChildProcess(["sh", "-c", "echo first; exec sleep 60"])
    #expect(slow.readToEnd(within: .seconds(1)) == "first\n")
    #expect(slow.stop() == 128 + SIGKILL)
    let stubborn = try ChildProcess(["sh", "-c", "trap '' TERM; echo ready; echo more; while :; do sleep 0.1; done"])
    #expect(try stubborn.readLine().line == "ready")
    #expect(stubborn.stop(SIGTERM, within: .milliseconds(50)) == 128 + SIGKILL)
    let ended = try ChildProcess(["true"])
    #expect(throws: ChildProcess.Failure.self) { try ended.readLine() }
    #expect(ended.stop() == 0)
  }

  @Test("a wrong command line names what is wrong and ends with 2") func wrongCommandLine() throws {
    let (cases, code) = try Self.run([Self.program, "client", "--server_port", "1", "--test_case", "nonsense"])
    #expect(code == 2)
    #expect(cases.contains("nonsense") && cases.contains("large_unary"))
    let (flags, flagCode) = try Self.run([Self.program, "probe", "--nonsense"])
    #expect(flagCode == 2)
    #expect(flags.contains("--nonsense") && flags.contains("--target"))
  }
}
