import ArgumentParser
import Dispatch
import Volery

/// The main thread waits for the command: callgrind (valgrind 3.19) does not survive an asynchronous `main`.
@main
enum Main {
  static func main() {
    let done = DispatchSemaphore(value: 0)
    Task.detached {
      await Bench.main()
      done.signal()
    }
    done.wait()
  }
}

/// Volery's side of the benchmark: the same service and the same load generator as the peers in Tests/Benchmark.
struct Bench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "volery-bench", subcommands: [BenchServer.self, BenchClient.self])
}

struct BenchServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "server")

  @Argument var port: Int
  @Option(help: "Event loops.") var loops: Int?

  func run() async throws {
    var options = ServerOptions()
    options.eventLoops = loops
    options.maxRequestMessageBytes = 16 << 20
    try await Server(services: [BenchmarkServer()], options: options).run(listeningOn: .tcp("127.0.0.1", port))
  }
}

struct BenchmarkServer: BenchmarkService {
  func unary(_ request: Echo, context: ServerContext) async throws -> Echo { request }

  func download(_ request: StreamRequest, responses: ResponseWriter<Echo>, context: ServerContext) async throws {
    let echo = Echo(payload: [UInt8](repeating: 0, count: Int(request.size)))
    for _ in 0..<request.count { try await responses.write(echo) }
  }

  func pingPong(_ requests: RequestStream<Echo>, responses: ResponseWriter<Echo>, context: ServerContext) async throws {
    for try await message in requests { try await responses.write(message) }
  }
}
