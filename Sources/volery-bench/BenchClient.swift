import ArgumentParser
import Volery
import VoleryPlatform

struct BenchClient: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "client", abstract: "Calls from so many lanes; prints one line of JSON.")

  enum Kind: String, ExpressibleByArgument, CaseIterable {
    /// An operation is a call.
    case unary
    /// Each lane has one stream; an operation is a message and its answer.
    case pingPong = "ping-pong"
    /// Each lane has one call; an operation is a message that came.
    case download
  }

  @Argument(help: "PORT or PORT,PORT,...: several are several backends.") var ports: String
  @Argument(help: "Lanes.") var concurrency: Int
  @Argument var seconds: Int
  @Argument(help: "Bytes of payload in a message.") var payload: Int
  @Option var kind = Kind.unary
  @OptionGroup var seams: BenchSeams
  @Option(help: "End after so many operations of all lanes instead of after SECONDS.") var operations: Int?

  func run() async throws {
    let list = ports.split(separator: ",").map { "127.0.0.1:\($0)" }.joined(separator: ",")
    var options = ChannelOptions()
    options.interceptors = try seams.clientInterceptors()
    options.observers = seams.allObservers
    let client = BenchmarkClient(try Channel("ipv4:\(list)", options: options))
    let message = Echo(payload: [UInt8](repeating: 7, count: payload))
    for _ in 0..<20 { _ = try await client.unary(message) }
    let start = ContinuousClock.now
    let cpu = BenchClient.cpuSeconds()
    let limit = operations.map { Limit.operations($0 / concurrency) } ?? .time(start.advanced(by: .seconds(seconds)))
    let latencies = try await withThrowingTaskGroup(of: [Int64].self) { group in
      for _ in 0..<concurrency { group.addTask { try await lane(client, message, limit) } }
      return try await group.reduce(into: []) { $0 += $1 }
    }.sorted()
    let used = BenchClient.cpuSeconds() - cpu
    let elapsed = start.duration(to: .now) / .seconds(1)
    let percentile = { (share: Double) in latencies[min(latencies.count - 1, Int(Double(latencies.count) * share))] }
    print(
      "{\"calls\":\(latencies.count),\"seconds\":\(elapsed),\"cpu_us_per_call\":\(used * 1e6 / Double(latencies.count)),"
        + "\"p50_us\":\(percentile(0.5)),\"p99_us\":\(percentile(0.99)),\"p999_us\":\(percentile(0.999))}")
  }

  /// One after the other; returns how many microseconds each operation took.
  private func lane(_ client: BenchmarkClient, _ message: Echo, _ limit: Limit) async throws -> [Int64] {
    var taken = Latencies(limit)
    switch kind {
    case .unary:
      while taken.wantsMore {
        _ = try await client.unary(message)
        taken.ended()
      }
    case .pingPong:
      let call = client.pingPong()
      var answers = call.makeAsyncIterator()
      while taken.wantsMore {
        try await call.send(message)
        guard try await answers.next() != nil else { throw StatusError(.internal, "the stream ended") }
        taken.ended()
      }
      call.finish()
      guard try await answers.next() == nil else { throw StatusError(.internal, "the stream did not end") }
    case .download:
      let count = limit.operations ?? UInt32.max
      let call = client.download(StreamRequest(count: count, size: UInt32(payload)))
      var messages = call.makeAsyncIterator()
      while taken.wantsMore, try await messages.next() != nil { taken.ended() }
      call.cancel()
    }
    return taken.microseconds
  }

  private static func cpuSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}

/// When a lane has done enough.
private enum Limit: Sendable {
  case time(ContinuousClock.Instant)
  case operations(Int)

  var operations: UInt32? { if case .operations(let count) = self { UInt32(count) } else { nil } }
}

/// How long one operation after the other took, the end of one being the start of the next.
private struct Latencies {
  private(set) var microseconds: [Int64] = []
  private let limit: Limit
  private var began = ContinuousClock.now

  init(_ limit: Limit) { self.limit = limit }

  var wantsMore: Bool {
    switch limit {
    case .time(let end): began < end
    case .operations(let count): microseconds.count < count
    }
  }

  mutating func ended() {
    let now = ContinuousClock.now
    let (seconds, attoseconds) = began.duration(to: now).components
    microseconds.append(seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
    began = now
  }
}
