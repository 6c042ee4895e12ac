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
  @Option(help: "Seconds that each call has.") var deadline: Int?

  func run() async throws {
    try seams.applyToProcess()
    let list = ports.split(separator: ",").map { "127.0.0.1:\($0)" }.joined(separator: ",")
    var options = ChannelOptions()
    options.interceptors = try seams.clientInterceptors()
    options.observers = seams.allObservers
    let defaults = deadline.map { CallOptions(timeout: .seconds($0)) }
    let client = BenchmarkClient(try Channel("ipv4:\(list)", options: options), defaults: defaults)
    let message = Echo(payload: [UInt8](repeating: 7, count: payload))
    for _ in 0..<20 { _ = try await client.unary(message) }
    let start = BenchClient.nanoseconds(of: CLOCK_MONOTONIC)
    let cpu = BenchClient.cpuSeconds()
    let limit =
      operations.map { Limit.operations($0 / concurrency) } ?? .time(start + UInt64(seconds) * 1_000_000_000)
    let lanes = try await withThrowingTaskGroup(of: [UInt32].self) { group in
      for _ in 0..<concurrency { group.addTask { try await lane(client, message, limit) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    // As the other load generators: what is made of the times afterwards is no part of a call.
    let used = BenchClient.cpuSeconds() - cpu
    let elapsed = Double(BenchClient.nanoseconds(of: CLOCK_MONOTONIC) - start) / 1e9
    let latencies = Distribution(lanes)
    print(
      "{\"calls\":\(latencies.count),\"seconds\":\(elapsed),\"cpu_us_per_call\":\(used * 1e6 / Double(latencies.count)),"
        + "\"p50_us\":\(latencies.value(at: 0.5)),\"p99_us\":\(latencies.value(at: 0.99)),"
        + "\"p999_us\":\(latencies.value(at: 0.999))}")
  }

  /// One after the other; returns how many microseconds each operation took.
  private func lane(_ client: BenchmarkClient, _ message: Echo, _ limit: Limit) async throws -> [UInt32] {
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

  private static func cpuSeconds() -> Double { Double(nanoseconds(of: CLOCK_PROCESS_CPUTIME_ID)) / 1e9 }

  fileprivate static func nanoseconds(of clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// When a lane has done enough.
private enum Limit: Sendable {
  /// Of the monotonic clock, in nanoseconds.
  case time(UInt64)
  case operations(Int)

  var operations: UInt32? { if case .operations(let count) = self { UInt32(count) } else { nil } }
}

/// How long one operation after the other took, the end of one being the start of the next.
private struct Latencies {
  private(set) var microseconds: [UInt32] = []
  private let limit: Limit
  private var began = BenchClient.nanoseconds(of: CLOCK_MONOTONIC)

  init(_ limit: Limit) { self.limit = limit }

  var wantsMore: Bool {
    switch limit {
    case .time(let end): began < end
    case .operations(let count): microseconds.count < count
    }
  }

  mutating func ended() {
    let now = BenchClient.nanoseconds(of: CLOCK_MONOTONIC)
    microseconds.append(UInt32(truncatingIfNeeded: (now - began) / 1000))
    began = now
  }
}

/// All of them, counted by microsecond: there are too many to sort.
private struct Distribution {
  private(set) var count = 0
  private var counts = [UInt32](repeating: 0, count: 1 << 18)
  /// Those that are longer, sorted.
  private var longer: [UInt32] = []

  init(_ lanes: [[UInt32]]) {
    for lane in lanes {
      count += lane.count
      for value in lane {
        if Int(value) < counts.count { counts[Int(value)] += 1 } else { longer.append(value) }
      }
    }
    longer.sort()
  }

  /// What this share of them is below.
  func value(at share: Double) -> Int {
    var left = min(count - 1, Int(Double(count) * share))
    for (value, times) in counts.enumerated() {
      if left < times { return value }
      left -= Int(times)
    }
    return Int(longer[left])
  }
}
