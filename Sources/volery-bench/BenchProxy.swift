import ArgumentParser
import Volery
import VoleryProxy

/// What volery-proxy does, for counting its instructions: here the main thread waits, as callgrind needs it.
struct BenchProxy: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "proxy", abstract: "Forwards calls on 127.0.0.1, on one event loop, until SIGTERM.")

  @Argument(help: "Where it listens.") var port: Int
  @Argument(help: "The server's port.") var server: Int

  func run() async throws {
    var options = ProxyOptions()
    options.eventLoops = 1
    try await Proxy(to: "ipv4:127.0.0.1:\(server)", options: options).run(listeningOn: .tcp("127.0.0.1", port))
  }
}
