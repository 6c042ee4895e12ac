import Synchronization
import VoleryPlatform

/// A program that a test has started. Plain system calls: Foundation's Process hands its own blocked signals down, so that
/// a child never hears SIGTERM, and waits on a run loop, which tests on Swift's pool don't have.
package final class ChildProcess: Sendable {
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  package let pid: Int32
  private let output: Int32
  private let hasEnded = Mutex(false)

  /// Starts a program of the PATH; its standard output can be read here.
  package init(_ arguments: [String]) throws {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw Failure(description: "no pipe") }
    // A child that another test starts must not hold this pipe open.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var pid: pid_t = 0
    let code = posix_spawnp(&pid, arguments[0], &actions, &attributes, &words, environ)
    for word in words { free(word) }
    posix_spawn_file_actions_destroy(&actions)
    posix_spawnattr_destroy(&attributes)
    close(ends[1])
    self.pid = pid
    output = ends[0]
    guard code == 0 else { throw Failure(description: "\(arguments[0]) can't be started: error \(code)") }
  }

  deinit {
    if !hasEnded.withLock({ $0 }) { _ = stop(SIGKILL) }
    close(output)
  }

  /// What the program has written since, at least something; empty once it has closed its output.
  package func read() -> String {
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = VoleryPlatform.read(output, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : ""
  }

  package func readToEnd() -> String {
    var text = ""
    while true {
      let more = read()
      if more.isEmpty { return text }
      text += more
    }
  }

  package func signal(_ number: Int32) { kill(pid, number) }

  /// Sends a signal, or none, and waits for the end; the exit code, or 128 and the signal that ended it.
  package func stop(_ number: Int32? = nil) -> Int32 {
    if let number { kill(pid, number) }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) == -1, errno == EINTR {}
    hasEnded.withLock { $0 = true }
    return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
  }

  /// Runs a program to its end.
  package static func run(_ arguments: [String]) throws -> (output: String, code: Int32) {
    let child = try ChildProcess(arguments)
    let output = child.readToEnd()
    return (output, child.stop())
  }
}
