import ArgumentParser
import Volery

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

struct BenchClient: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "client", abstract: "Unary calls from so many lanes; prints one line of JSON.")

  @Argument(help: "PORT or PORT,PORT,...: several are several backends.") var ports: String
  @Argument var concurrency: Int
  @Argument var seconds: Int
  @Argument var payload: Int

  func run() async throws {
    let list = ports.split(separator: ",").map { "127.0.0.1:\($0)" }.joined(separator: ",")
    let client = BenchmarkClient(try Channel("ipv4:\(list)"))
    let message = Echo(payload: [UInt8](repeating: 7, count: payload))
    for _ in 0..<20 { _ = try await client.unary(message) }
    let start = ContinuousClock.now
    let cpu = BenchClient.cpuSeconds()
    let end = start.advanced(by: .seconds(seconds))
    let latencies = try await withThrowingTaskGroup(of: [Int64].self) { group in
      for _ in 0..<concurrency { group.addTask { try await BenchClient.lane(client, message, until: end) } }
      return try await group.reduce(into: []) { $0 += $1 }
    }.sorted()
    let used = BenchClient.cpuSeconds() - cpu
    let elapsed = start.duration(to: .now) / .seconds(1)
    let percentile = { (share: Double) in latencies[min(latencies.count - 1, Int(Double(latencies.count) * share))] }
    print(
      "{\"calls\":\(latencies.count),\"seconds\":\(elapsed),\"cpu_us_per_call\":\(used * 1e6 / Double(latencies.count)),"
        + "\"p50_us\":\(percentile(0.5)),\"p99_us\":\(percentile(0.99)),\"p999_us\":\(percentile(0.999))}")
  }

  private static func lane(
    _ client: BenchmarkClient, _ message: Echo, until end: ContinuousClock.Instant
  ) async throws -> [Int64] {
    var taken: [Int64] = []
    var now = ContinuousClock.now
    while now < end {
      let began = now
      _ = try await client.unary(message)
      now = .now
      let (seconds, attoseconds) = began.duration(to: now).components
      taken.append(seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
    }
    return taken
  }

  private static func cpuSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
