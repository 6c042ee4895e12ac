import ArgumentParser
import Volery
import VoleryPlatform

/// What a channel with many servers takes: says on a line of its own what is there, and waits for a line before it goes on, so that
/// somebody can look at the process.
struct BenchSubchannels: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "subchannels", abstract: "A channel with so many servers, which are one, by its addresses 127.0.x.y.")

  @Argument var port: Int
  @Argument(help: "Servers, at most 16,000.") var count: Int

  func run() async throws {
    let message = Echo(payload: [UInt8](repeating: 7, count: 16))
    // What a process makes once.
    let first = BenchmarkClient(try Channel("ipv4:127.1.0.1:\(port)"))
    for _ in 0..<20 { _ = try await first.unary(message) }
    pause("before")
    let list = (0..<count).map { "127.0.\($0 / 250).\($0 % 250 + 1):\(port)" }.joined(separator: ",")
    let channel = try Channel("ipv4:\(list)")
    let client = BenchmarkClient(channel)
    var seen: Set<String> = []
    var calls = 0
    while seen.count < count {
      if let peer = try await client.unaryResponse(to: message).peer { seen.insert("\(peer)") }
      calls += 1
      guard calls < 100 * count else { throw ValidationError("only \(seen.count) of \(count) servers answered") }
    }
    pause("called")
    channel.close()
  }

  private func pause(_ stage: String) {
    print(stage)
    fflush(nil)
    _ = readLine()
  }
}
