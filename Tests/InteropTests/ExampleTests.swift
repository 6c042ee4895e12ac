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
}
