import ArgumentParser
import PodsShared
import Volery

/// Calls the pods behind a name and shows who answers.
@main
struct PodsClientProgram: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "pods-client")

  @Argument(help: "For example dns:///pods.test:50051.") var target: String
  @Option(help: "Calls per second.") var rate = 500
  @Option(help: "How long to call.") var seconds = 30

  func run() async throws {
    let channel = try Channel(target)
    let book = CallBook()
    let calls = Task { [rate] in await book.callSteadily(channel, perSecond: rate) }
    var table = LiveTable()
    for _ in 0..<(seconds * 5) {
      try await Task.sleep(for: .milliseconds(200))
      table.draw(book.current.table(target))
    }
    calls.cancel()
    await calls.value
    table.keep(book.current.table(target))
    for failure in Set(book.current.failures).sorted() { writeLine("  \(failure)") }
  }
}
