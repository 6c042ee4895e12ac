import Foundation
import Testing

/// CONTRIBUTING.md's rules for tests, as a check that runs.
@Suite("The tests' own rules") struct HouseRuleTests {
  /// Who may sleep, how often, and why: whoever waits for a state waits for what tells of it, or with `eventually`.
  static let sleepers: [String: (count: Int, reason: String)] = [
    "Support/Eventually.swift": (1, "the one place that looks at a state again and again"),
    "DNSTests/NameServer.swift": (1, "the same without async; it throws at its limit"),
    "DNSTests/DNSResolverTests.swift": (1, "asks for a look-up at a steady pace, as a channel without servers does"),
    "DNSTests/SystemFileTests.swift": (
      2, "the pace of its calls; in its cleaning, of the readers of a pipe that it lets go"
    ),
    "TLSTests/RotationTests.swift": (2, "the pace of its load and of its rotations"),
    "TLSTests/CallCredentialsTests.swift": (2, "credentials that never come"),
    "EventLoopsTests/EventLoopTests.swift": (1, "that a task has slept is what is tested"),
    "HTTP2TransportTests/ScriptedService.swift": (1, "a handler that hangs"),
    "HTTP2TransportTests/BufferTests.swift": (2, "a handler that does not read yet; the pace of a gauge that is read"),
    "HTTP2TransportTests/StreamResetTests.swift": (1, "a client that gives up shortly before the server's own clock"),
    "RuntimeTests/ConnectionEndTests.swift": (1, "the pace of its calls, which fail at once"),
    "RuntimeTests/CallsOfOneTurnTests.swift": (1, "a handler that hangs until it is cancelled"),
    "RuntimeTests/CallLimitTests.swift": (1, "a client that gives up early"),
    "RuntimeTests/HandlerErrorTests.swift": (1, "a handler that hangs until it is cancelled"),
    "RuntimeTests/ManyTasksTests.swift": (2, "a handler that returns while its tasks write; a sender that pauses"),
    "RuntimeTests/LoadReportCallTests.swift": (1, "a stream of the server's that stays open"),
    "RuntimeTests/RawEcho.swift": (1, "a handler that hangs"),
    "RuntimeTests/HedgingTests.swift": (1, "a handler that hangs"),
    "RuntimeTests/SlowServerTests.swift": (1, "a handler that is slow, which is what is looked for"),
    "RuntimeTests/ServerInterceptorTests.swift": (1, "an interceptor that hangs"),
    "TelemetryTests/Subject.swift": (1, "a slow handler, whose time is what is measured"),
    "InteropTests/DescriptorTests.swift": (1, "how long the server's use of its processor is measured"),
    "InteropTests/FrozenServerTests.swift": (1, "how long the server is frozen"),
    "XDSTests/BadInputTests.swift": (1, "the pace of a control plane that changes its mind"),
    "TestingTests/TestClockTests.swift": (2, "by the test's own clock, which stands still until the test moves it"),
    "ServiceLifecycleTests/Program/Program.swift": (2, "a slow handler, and a service that is slow to stop"),
  ]

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  /// The laboratories', the benchmarks' and the fuzzer's programs are no tests.
  static let programs = ["Lab/", "XDS/", "Benchmark/", "Fuzz/", "ArchitectureTests/"]

  /// The lines of every test, comments left out.
  static func lines() throws -> [(file: String, text: Substring)] {
    let files = FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []
    return try files.filter { file in
      file.hasSuffix(".swift") && !file.hasSuffix(".volery.swift") && !programs.contains(where: file.hasPrefix)
    }.flatMap { file in
      try String(contentsOf: root.appendingPathComponent(file), encoding: .utf8).split(separator: "\n")
        .map { (file, $0.drop { $0 == " " }) }.filter { !$0.1.hasPrefix("//") }
    }
  }

  @Test("no test sleeps for a state") func sleeps() throws {
    let words = ["Task.sleep(", ".sleep(for", ".sleep(until", "usleep(", "nanosleep(", "Thread.sleep"]
    var found: [String: Int] = [:]
    for (file, text) in try Self.lines() where words.contains(where: text.contains) { found[file, default: 0] += 1 }
    for (file, count) in found {
      let allowed = Self.sleepers[file]?.count ?? 0
      let rule =
        "wait for the event, or use eventually; a slow handler or the pace of a load is listed here with its reason"
      #expect(count == allowed, "\(file) sleeps in \(count) places, not \(allowed): \(rule)")
    }
    for file in Self.sleepers.keys {
      #expect(found[file] != nil, "\(file) does not sleep any more: take it off the list")
    }
  }

  @Test("no test waits for a state without a limit: a time limit ends no loop that does not look at it")
  func endlessLoops() throws {
    for (file, text) in try Self.lines() where text.hasPrefix("while ") && text.contains("{ await Task.yield() }") {
      let isHandler = text.contains("turns.count.add(")  // Yields so many times.
      #expect(isHandler, "\(file): \(text): use eventually")
    }
  }

  @Test("no test throws away what `try?` gave: it says which error it expects, or that there is none")
  func discardedErrors() throws {
    for (file, text) in try Self.lines() where text.hasPrefix("_ = try?") || text.hasPrefix("try?") {
      let isCleaning = text.contains("removeItem")
      let isSleeping = text.contains("Task.sleep(")  // The other rule's.
      #expect(isCleaning || isSleeping, "\(file): \(text)")
    }
    for (file, text) in try Self.lines() where text.contains("{ _ = try? ") { Issue.record("\(file): \(text)") }
  }
}
