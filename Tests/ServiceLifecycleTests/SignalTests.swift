import Foundation
import TestSupport
import Testing
import Volery

/// Real processes that get SIGTERM and SIGINT: alone, and as a service of swift-service-lifecycle's group.
@Suite("Signals", .serialized, .timeLimit(.minutes(2))) struct SignalTests {
  private static let wait = Method<[UInt8], [UInt8]>(service: "test.Signals", name: "Wait", kind: .unary)
  private static let program = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("signal-server").path

  private struct Outcome {
    /// What the call came to that ran when the signal came.
    var answer: Result<[UInt8], any Error>
    var code: Int32
    var output: String
    var duration: Duration
  }

  /// Starts the program, and sends it a signal while a call runs.
  private func run(_ mode: String, _ signal: Int32 = SIGTERM) async throws -> Outcome {
    let path = "/tmp/volery-signal-\(UInt64.random(in: .min ... .max)).sock"
    let process = try ChildProcess([Self.program, mode, path])
    let channel = try Channel("unix:\(path)")
    let call = Task {
      try await channel.unary(Self.wait, [7], options: CallOptions(timeout: .seconds(30), waitForReady: true)).message
    }
    var output = ""
    while !output.contains("CALLED\n") {
      let more = process.read()
      try #require(!more.isEmpty, "it has ended: \(output)")
      output += more
    }
    let start = ContinuousClock.now
    process.signal(signal)
    let answer = await call.result
    output += process.readToEnd()
    let code = process.stop()
    return Outcome(answer: answer, code: code, output: output, duration: start.duration(to: .now))
  }

  @Test(
    "the call that runs is answered, and the process ends with 0",
    arguments: [
      "run", "group of run", "group of run, last", "group of service", "group of service unhandled",
      "group of service, last", "group of service, first", "cancelled service",
    ])
  func drained(_ mode: String) async throws {
    let outcome = try await run(mode)
    #expect(try outcome.answer.get() == [7])
    #expect(outcome.code == 0, "\(outcome.output)")
    #expect(outcome.output.hasSuffix("ENDED\n"), "\(outcome.output)")
    #expect(outcome.duration < .seconds(8))
  }

  @Test(
    "a signal that comes when the server has only just begun to listen drains it",
    arguments: [
      ("run", SIGTERM), ("run", SIGINT), ("group of run", SIGTERM), ("group of service", SIGTERM),
    ])
  func early(_ mode: String, _ signal: Int32) throws {
    let path = "/tmp/volery-signal-\(UInt64.random(in: .min ... .max)).sock"
    let outcome = try ChildProcess.run([Self.program, mode, path, "\(signal)"], within: .seconds(20))
    #expect(outcome.code == 0 && outcome.output == "ENDED\n", "\(outcome)")
  }

  @Test("SIGINT drains a server that runs alone") func interrupt() async throws {
    let outcome = try await run("run", SIGINT)
    #expect(try outcome.answer.get() == [7])
    #expect(outcome.code == 0)
  }

  @Test("a server that is told not to handle signals leaves their effect alone: they end the process")
  func unhandled() async throws {
    for signal in [SIGTERM, SIGINT] {
      let outcome = try await run("run unhandled", signal)
      #expect(outcome.code == 128 + signal, "\(outcome.output)")
      #expect(outcome.duration < .seconds(5))
    }
  }

  @Test(
    "in a group that has SIGTERM only, SIGINT does what it did without the server",
    arguments: [
      "group of run", "group of service",
    ])
  func interruptedGroup(_ mode: String) async throws {
    let outcome = try await run(mode, SIGINT)
    #expect(outcome.code == 128 + SIGINT, "\(outcome.output)")
  }

  @Test("the group's other services stop in their order: those behind the server before it, those before it after it")
  func order() async throws {
    let last = try await run("group of service, last")
    #expect(last.output == "CALLED\nSTOPPED before\nENDED\n")
    let first = try await run("group of service, first")
    #expect(first.output == "CALLED\nSTOPPED behind\nENDED\n")
  }
}
