import Logging
import TestSupport
import Testing
import Volery
import VoleryInterceptors

@Suite("The access log", .timeLimit(.minutes(1))) struct AccessLogTests {
  struct OwnError: Error {}

  @Test(
    "has one line for each call of every kind, with its method, status, time, peer and id", arguments: Place.allCases)
  func lines(_ place: Place) async throws {
    let recorder = LogRecorder()
    let secret = CallOptions(metadata: ["x-secret": "hunter2", "x-request-id": "r7"], timeout: .seconds(20))
    try await place.with([RequestID(), AccessLog(recorder.logger)], { _ in "top secret" }) { channel in
      _ = await channel.callDesk(secret)
      try await recorder.lines(containing: "info call", count: 4)
    }
    let lines = recorder.lines
    #expect(lines.count == 4)
    for (line, name) in zip(lines, Desk.names) {
      #expect(line.contains("method: /test.Desk/\(name)") && line.contains("status: OK"), "\(line)")
      #expect(line.contains("request-id: r7") && line.contains("milliseconds: ") && line.contains("peer: "), "\(line)")
      #expect(!line.contains("secret") && !line.contains("hunter2"), "\(line)")
    }
  }

  @Test(
    "says what the client is told, whatever the handler throws",
    arguments: [
      (StatusError(.notFound, "nothing \"here\"\n"), "status: NOT_FOUND", "message: nothing \\\"here\\\"\\n"),
      (OwnError(), "status: UNKNOWN", ""), (CancellationError(), "status: CANCELLED", ""),
      (
        StatusError(status: Status(code: .unavailable, message: "10.0.0.7 is down"), origin: .peer), "status: UNKNOWN",
        ""
      ),
    ] as [(any Error, String, String)])
  func failures(_ error: any Error, _ status: String, _ message: String) async throws {
    let recorder = LogRecorder()
    try await Place.socket.with([AccessLog(recorder.logger)], { _ in throw error }) { channel in
      for name in Desk.names {
        guard case .failure(let code, _) = await channel.callDesk(name) else {
          Issue.record("it went well")
          return
        }
        #expect(status == "status: \(code)")
      }
      try await recorder.lines(containing: status, count: 4)
    }
    for line in recorder.lines {
      #expect(line.contains(message), "\(line)")
      #expect(message.isEmpty != line.contains("message:"), "\(line)")
    }
  }

  @Test("says how a call ended whose handler was too late, and one that the server does not know")
  func lateAndUnknown() async throws {
    let recorder = LogRecorder()
    let late: Desk.Visit = { _ in
      for await _ in AsyncStream<Void>.makeStream().stream {}
      return "too late"
    }
    let interceptors: [any ServerInterceptor] = [AccessLog(recorder.logger), DefaultDeadline(.milliseconds(50))]
    try await Place.socket.with(interceptors, late) { channel in
      _ = await channel.callDesk("Ask", CallOptions())
      let lateLine = try await recorder.line(containing: "/test.Desk/Ask")
      #expect(lateLine.contains("status: DEADLINE_EXCEEDED"))
      let unknown = Method<[UInt8], [UInt8]>(service: "test.Desk", name: "No\u{202e}pe", kind: .unary)
      let error = await #expect(throws: StatusError.self) { try await channel.unary(unknown, []) }
      #expect(error?.code == .unimplemented)
      let line = try await recorder.line(containing: "status: UNIMPLEMENTED")
      #expect(!line.contains("\u{202e}"))
    }
  }

  @Test("keeps to its rule: failures always, what was slow, a share of the others") func rules() {
    func entry(_ code: StatusCode, _ duration: Duration) -> AccessLog.Entry {
      AccessLog.Entry(
        method: Desk.ask.descriptor, status: Status(code: code), duration: duration,
        peer: Peer(address: .inProcess("test")))
    }
    func count(_ rule: AccessLog.Rule, _ entry: AccessLog.Entry) -> Int { (0..<1000).count { _ in rule.picks(entry) } }
    #expect(count(.failures(), entry(.ok, .seconds(9))) == 0)
    #expect(count(.failures(), entry(.notFound, .zero)) == 1000)
    #expect(count(.failures(slowerThan: .seconds(1)), entry(.ok, .seconds(2))) == 1000)
    #expect(count(.failures(slowerThan: .seconds(1)), entry(.ok, .seconds(1))) == 0)
    #expect((50...450).contains(count(.failures(andShare: 0.2), entry(.ok, .zero))))
    #expect(count(.failures(andShare: 1), entry(.ok, .zero)) == 1000)
    #expect(count(.all, entry(.ok, .zero)) == 1000)
  }

  @Test("logs nothing below its logger's level, and at the level that it is given") func levels() async throws {
    let recorder = LogRecorder()
    var quiet = recorder.logger
    quiet.logLevel = .notice
    try await Place.inProcess.with([AccessLog(recorder.logger, at: .debug), AccessLog(quiet)], { _ in "" }) { channel in
      _ = await channel.callDesk("Ask")
      let line = try await recorder.line(containing: "call")
      #expect(line.hasPrefix("debug call"))
    }
    #expect(recorder.lines.count == 1)
  }
}
