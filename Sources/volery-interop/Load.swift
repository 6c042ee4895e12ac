import ArgumentParser
import Synchronization
import Volery
import VoleryPlatform

struct Load: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load", abstract: "Makes UnaryCalls at a fixed rate, late or not, and writes one line of CSV for each."
  )

  @OptionGroup var flags: ChannelFlags
  @Option(name: .customLong("rate"), help: "Calls per second.") var rate: Double
  @Option(name: .customLong("duration"), help: "Seconds.") var duration: Double
  @Option(name: .customLong("out")) var out: String
  @Option(name: .customLong("resolve_min_ms"), help: "The refresh interval of dns: names.") var resolve: Int?
  @Option(name: .customLong("keepalive_ms")) var keepalive: Int?
  @Option(name: .customLong("keepalive_timeout_ms")) var keepaliveTimeout: Int?
  @Option(name: .customLong("resp")) var responseBytes = 0

  func validate() throws {
    guard rate > 0, rate <= 1_000_000 else { throw ValidationError("--rate must be above 0") }
    guard duration > 0 else { throw ValidationError("--duration must be above 0") }
  }

  func run() async throws {
    guard let file = fopen(out, "w") else { throw ValidationError("--out \(out) can't be written") }
    let client = TestServiceClient(
      try flags.channel { options in
        if let resolve { options.refreshInterval = .milliseconds(resolve) }
        if let keepalive { options.keepaliveTime = .milliseconds(keepalive) }
        if let keepaliveTimeout { options.keepaliveTimeout = .milliseconds(keepaliveTimeout) }
      })
    let log = CallLog()
    let isStopped = StopFlag()
    isStopped.watchTermination()
    let clock = ContinuousClock()
    let start = clock.now
    let startUnix = unixSeconds()
    let options = flags.callOptions()
    let request = SimpleRequest(responseSize: Int32(clamping: responseBytes), fillServerID: true)
    printLine("READY")
    await withTaskGroup(of: Void.self) { group in
      let total = Int(rate * duration)
      for index in 0..<total where !isStopped.isSet {
        let offset = Duration.seconds(Double(index) / rate)
        let due = start.advanced(by: offset)
        if clock.now < due { try? await clock.sleep(until: due) }
        if isStopped.isSet { break }
        group.addTask {
          let line = await Load.call(client, request, options, due: due, unix: startUnix + offset / .seconds(1))
          log.append(line)
        }
      }
    }
    for line in log.lines { fputs(line, file) }
    fclose(file)
    printLine("DONE")
  }

  private static func call(
    _ client: TestServiceClient, _ request: SimpleRequest, _ options: CallOptions, due: ContinuousClock.Instant,
    unix: Double
  ) async -> String {
    var code = 0
    var id = ""
    do throws(StatusError) {
      id = try await client.unaryCall(request, options: options).serverID
    } catch {
      code = error.code.rawValue
    }
    let latency = due.duration(to: .now) / .milliseconds(1)
    return "\(fixed(unix, 6)),\(fixed(latency, 3)),\(code),\(id)\n"
  }
}

/// The lines of the log, in the order in which the calls ended.
final class CallLog: Sendable {
  private let collected = Mutex<[String]>([])

  var lines: [String] { collected.withLock { $0 } }

  func append(_ line: String) { collected.withLock { $0.append(line) } }
}

/// Set by SIGTERM or SIGINT.
final class StopFlag: Sendable {
  private static let flag = Atomic<Bool>(false)

  var isSet: Bool { StopFlag.flag.load(ordering: .relaxed) }

  func watchTermination() {
    signal(SIGTERM) { _ in StopFlag.flag.store(true, ordering: .relaxed) }
    signal(SIGINT) { _ in StopFlag.flag.store(true, ordering: .relaxed) }
  }
}

func unixSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// A number with so many decimals.
func fixed(_ value: Double, _ decimals: Int) -> String {
  var scale = 1.0
  for _ in 0..<decimals { scale *= 10 }
  let whole = Int64((value * scale).rounded())
  let digits = String(repeating: "0", count: max(0, decimals + 1 - String(abs(whole)).count)) + String(abs(whole))
  return (whole < 0 ? "-" : "") + digits.dropLast(decimals) + "." + digits.suffix(decimals)
}
