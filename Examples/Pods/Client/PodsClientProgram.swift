import ArgumentParser
import PodsShared
import Volery
import VoleryKubernetes

/// Calls the pods behind a name and shows who answers.
@main
struct PodsClientProgram: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "pods-client")

  @Argument(help: "For example dns:///pods.test:50051, or k8s:///pods:grpc in a cluster.") var target: String
  @Option(help: "Calls per second.") var rate = 500
  @Option(help: "How long to call; 0: for ever, with a new table every 10 seconds.") var seconds = 30

  func run() async throws {
    var options = ChannelOptions()
    options.resolvers.register(KubernetesResolverFactory())
    let channel = try Channel(target, options: options)
    let book = CallBook()
    let calls = Task { [rate] in await book.callSteadily(channel, perSecond: rate) }
    repeat { try await show(book, for: seconds > 0 ? seconds : 10) } while seconds == 0
    calls.cancel()
    await calls.value
  }

  private func show(_ book: CallBook, for seconds: Int) async throws {
    var table = LiveTable()
    for _ in 0..<(seconds * 5) {
      try await Task.sleep(for: .milliseconds(200))
      table.draw(book.current.table(target))
    }
    let page = book.turnPage()
    table.keep(page.table(target))
    for failure in Set(page.failures).sorted() { writeLine("  \(failure)") }
  }
}
