import ArgumentParser
import Foundation
import Logging
import Volery

/// The two ends of the laboratory's calls: pods, and the client whose behaviour is measured. Tests/Lab/run.py runs both.
@main
struct LabProgram: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "volery-lab", subcommands: [PodCommand.self, ClientCommand.self, BytesCommand.self])

  static func main() async {
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = .notice
      return handler
    }
    // What every container of a cluster has, which the laboratory stands for: some hints are for those alone.
    setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1", 0)
    // Its own threads end with the process; a client that has gone must not end it.
    signal(SIGPIPE, SIG_IGN)
    await self.main(nil)
  }
}

/// Writes a line at once, whoever reads it.
func writeLine(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  _ = write(1, bytes, bytes.count)
}

/// Hands every line of standard input, split at spaces, to `perform`, on a thread of its own.
func followCommands(_ perform: @escaping @Sendable ([String]) -> Void) {
  Thread.detachNewThread {
    while let line = readLine() { perform(line.split(separator: " ", maxSplits: 1).map(String.init)) }
  }
}

/// Seconds of the clock that every process of this machine shares and nobody sets.
func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
