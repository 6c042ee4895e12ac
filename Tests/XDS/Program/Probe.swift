import Foundation
import Logging
import Synchronization
import Volery
import VoleryXDS

/// The client whose behaviour `make xds` compares: `volery-xds-probe TARGET`. Each line of standard input is a series of calls,
/// in JSON, and each line of standard output what became of one; grpcio_probe.py is the same with another implementation.
@main
struct Probe {
  static func main() async throws {
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = .notice
      return handler
    }
    signal(SIGPIPE, SIG_IGN)
    var options = ChannelOptions()
    options.useXDS()
    let channel = try Channel(CommandLine.arguments[1], options: options)
    let running = Mutex<[Int: Series]>([:])
    let jars = CookieJars()
    write("{\"ready\": true}")
    for await line in lines() {
      let command = try JSONDecoder().decode(Command.self, from: Data(line.utf8))
      if let stopped = command.stop {
        running.withLock { $0[stopped] }?.stop()
        continue
      }
      let series = Series(command, channel, jars)
      running.withLock { $0[command.id ?? 0] = series }
      Task {
        let result = await series.run()
        running.withLock { $0[command.id ?? 0] = nil }
        write(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
      }
    }
  }

  private static func lines() -> AsyncStream<String> {
    let (stream, lines) = AsyncStream.makeStream(of: String.self)
    Thread.detachNewThread {
      while let line = readLine() { lines.yield(line) }
      lines.finish()
    }
    return stream
  }

  private static func write(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = Glibc.write(1, bytes, bytes.count)
  }
}

/// A series of calls, or the wish to end one.
struct Command: Decodable, Sendable {
  var id: Int?
  /// Ends the series with that `id`.
  var stop: Int?
  var calls: Int?
  var method: String?
  var metadata: [String: String]?
  /// The cookies of calls with the same name belong together: what answers set is sent from then on.
  var jar: String?
  /// Whether the calls are streams, of one message each way.
  var stream: Bool?
  /// A metadata key whose value is another one in each call.
  var vary: String?
  /// Seconds.
  var timeout: Double?
  /// Whether a call waits for a server that is ready.
  var wait: Bool?
  /// How many run at once, each after the other.
  var parallel: Int?
  /// Seconds between a call's start and the next one's, of each of those that run at once; 0: as fast as they end.
  var interval: Double?
}

/// What became of the calls of a series.
struct Outcomes: Codable, Sendable {
  var id: Int?
  /// By what the servers answered.
  var answers: [String: Int] = [:]
  /// By code and text.
  var failures: [String: Int] = [:]
  /// Seconds of the one that took longest.
  var slowest = 0.0
}
