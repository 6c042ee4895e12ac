import Foundation
import TestSupport
import Volery

/// `volery-proxy` as a process of its own, whose memory can be looked at.
struct ProxyProgram {
  static let path = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("volery-proxy").path

  let process: ChildProcess
  /// Where it listens.
  let address: Volery.SocketAddress
  /// What it has said besides.
  private let rest: String

  /// Starts it, and returns once it listens.
  init(target: String, _ arguments: String...) async throws {
    let process = try ChildProcess(
      [ProxyProgram.path, "--listen", "127.0.0.1:0", "--target", target] + arguments)
    self.process = process
    let (line, rest) = try await blocking { try process.readLine() }
    address = .tcp("127.0.0.1", ProxyProgram.port(line))
    self.rest = rest
  }

  /// One that somebody has started, and that has said this first.
  init(_ process: ChildProcess, firstLine: String) {
    self.process = process
    address = .tcp("127.0.0.1", ProxyProgram.port(firstLine))
    rest = ""
  }

  private static func port(_ line: some StringProtocol) -> Int {
    line.split(separator: ":").last.flatMap { Int($0) } ?? 0
  }

  /// With `--metrics`: waits for the line that says which.
  func metricsPort() async throws -> Int {
    if let line = rest.split(separator: "\n").first { return ProxyProgram.port(line) }
    let process = process
    return ProxyProgram.port(try await blocking { try process.readLine().line })
  }

  /// Waits for it.
  static func firstAddress(of process: ChildProcess) throws -> String {
    String(try process.readLine().line.dropFirst("LISTENING ".count))
  }

  /// What it has in memory now.
  var residentKilobytes: Int {
    get throws {
      let status = try String(contentsOfFile: "/proc/\(process.pid)/status", encoding: .utf8)
      guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }) else { return 0 }
      return Int(line.split(whereSeparator: { $0 == " " || $0 == "\t" })[1]) ?? 0
    }
  }

  /// SIGTERM; the exit code.
  func stop() async throws -> Int32 { try await blocking { process.stop(SIGTERM) } }
}
