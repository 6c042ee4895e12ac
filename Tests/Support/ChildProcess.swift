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
  ///
  /// - Parameter outputByteCount: What its output holds while nobody reads it (Linux); a program that writes more waits. Nil: what
  ///   the system has.
  package init(_ arguments: [String], outputByteCount: Int32? = nil) throws {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw Failure(description: "no pipe") }
    #if os(Linux)
      // F_SETPIPE_SZ, which Swift does not see.
      if let outputByteCount { _ = fcntl(ends[0], 1031, outputByteCount) }
    #endif
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
    // Before there is an object, whose end would kill the process 0: the whole group that the tests are in.
    guard code == 0 else {
      close(ends[0])
      throw Failure(description: "\(arguments[0]) can't be started: error \(code)")
    }
    self.pid = pid
    output = ends[0]
  }

  deinit {
    if !hasEnded.withLock({ $0 }) { _ = stop(SIGKILL) }
    close(output)
  }

  /// What waits to be read now.
  package var unreadByteCount: Int {
    var count: Int32 = 0
    _ = ioctl(output, UInt(FIONREAD), &count)
    return Int(count)
  }

  /// What the program has written since, at least something; empty once it has closed its output. One that says nothing for so long
  /// is killed, so that whoever waits for it goes on: its output ends, and its code is SIGKILL's.
  package func read(within limit: Duration = .seconds(60)) -> String {
    guard waits(for: limit) else {
      kill(pid, SIGKILL)
      return ""
    }
    var buffer = [UInt8](repeating: 0, count: 65536)
    var count = 0
    repeat {
      count = VoleryPlatform.read(output, &buffer, buffer.count)
    } while count == -1 && errno == EINTR
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : ""
  }

  /// Whether there is something to read, or an end.
  private func waits(for limit: Duration) -> Bool {
    let end = ContinuousClock.now.advanced(by: limit)
    while true {
      let left = ContinuousClock.now.duration(to: end)
      guard left > .zero else { return false }
      var place = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
      if poll(&place, 1, Int32(min(left / .milliseconds(1) + 1, 1000))) > 0 { return true }
    }
  }

  /// All that the program writes from now on. One that takes longer is killed, as by `read`.
  package func readToEnd(within limit: Duration = .seconds(240)) -> String {
    let end = ContinuousClock.now.advanced(by: limit)
    var text = ""
    while true {
      let more = read(within: ContinuousClock.now.duration(to: end))
      if more.isEmpty { return text }
      text += more
    }
  }

  /// The line that it writes first, without its end, and what has come behind that.
  ///
  /// - Throws: `Failure` where the program ends before, or says nothing for as long as `read` waits.
  package func readLine() throws -> (line: String, rest: String) {
    var text = ""
    while true {
      if let end = text.firstIndex(of: "\n") {
        return (String(text[..<end]), String(text[text.index(after: end)...]))
      }
      let more = read()
      guard !more.isEmpty else {
        throw Failure(
          description: "the program has ended, or said nothing for too long, before its first line: \(text)")
      }
      text += more
    }
  }

  package func signal(_ number: Int32) { kill(pid, number) }

  /// Sends a signal, or none, and waits for the end; the exit code, or 128 and the signal that ended it: SIGKILL's of one that takes
  /// longer.
  package func stop(_ number: Int32? = nil, within limit: Duration = .seconds(60)) -> Int32 {
    if let number { kill(pid, number) }
    let end = ContinuousClock.now.advanced(by: limit)
    var status: Int32 = 0
    while true {
      let isLate = ContinuousClock.now >= end
      if isLate { kill(pid, SIGKILL) }
      let ended = waitpid(pid, &status, isLate ? 0 : WNOHANG)
      if ended == pid || ended == -1 && errno != EINTR { break }
      // Nothing tells of a child's end but a signal, which is the whole process'.
      if ended == 0 { poll(nil, 0, 2) }
    }
    hasEnded.withLock { $0 = true }
    return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
  }

  /// Runs a program to its end, which it has to come to in time (`readToEnd`).
  package static func run(
    _ arguments: [String], within limit: Duration = .seconds(240)
  ) throws -> (output: String, code: Int32) {
    let child = try ChildProcess(arguments)
    let output = child.readToEnd(within: limit)
    return (output, child.stop())
  }
}
