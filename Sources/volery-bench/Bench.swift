import ArgumentParser
import Dispatch

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
    commandName: "volery-bench",
    subcommands: [BenchServer.self, BenchClient.self, BenchSubchannels.self, BenchProxy.self, BenchLoop.self])
}
