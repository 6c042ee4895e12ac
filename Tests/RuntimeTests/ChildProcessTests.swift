import TestSupport
import Testing

/// What tests start other programs with.
@Suite("Programs that tests start", .timeLimit(.minutes(1))) struct ChildProcessTests {
  @Test("one that is not there is an error, and nobody is killed for it") func missing() {
    #expect(throws: ChildProcess.Failure.self) { _ = try ChildProcess(["/no/such/program"]) }
  }

  @Test("one that is there says what it has to") func echo() throws {
    let (output, code) = try ChildProcess.run(["echo", "hello"])
    #expect(output == "hello\n" && code == 0)
  }
}
