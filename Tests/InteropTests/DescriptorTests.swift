#if os(Linux)
  import Foundation
  import TestSupport
  import Testing

  /// A process that may open few files: calls and servers fail with words, and go on when there are files again.
  @Suite("Too few descriptors", .serialized, .timeLimit(.minutes(3))) struct DescriptorTests {
    /// Below, the runtime's own threads end the process before any of this package's code runs.
    static let limits = 8...36

    /// Runs volery-interop with a limit of open files, and with nothing that this process has open.
    static func command(_ limit: Int, _ arguments: String) -> [String] {
      let closing = "for f in /proc/self/fd/*; do f=${f##*/}; [ $f -gt 2 ] && eval \"exec $f>&-\"; done"
      return [
        "bash", "-c",
        "exec 2>&1; \(closing); ulimit -n \(limit); echo PID $$; exec \(InteropTests.program) \(arguments)",
      ]
    }

    @Test("a client's first use ends in an error or in an answer, whatever the limit is") func client() throws {
      var (refused, failed, connected) = (0, 0, 0)
      for limit in Self.limits {
        let (output, code) = try ChildProcess.run(
          Self.command(limit, "probe --target ipv4:127.0.0.1:1 --calls 1 --timeout_ms 5000"))
        switch code {
        case 0 where output.contains("\"code\":14") && output.contains("too many open files"): failed += 1
        case 0 where output.contains("\"code\":14") && output.contains("connection refused"): connected += 1
        case 1..<128:
          #expect(output.contains("an event loop can't be made: too many open files"), "\(limit): \(output)")
          refused += 1
        default: Issue.record("\(limit) files: it ended with \(code): \(output)")
        }
      }
      // Of each kind: the limits are where they should be.
      #expect(refused > 0 && connected > 0, "\(refused) without loops, \(failed) without sockets, \(connected)")
    }

    @Test("a server that has too few to start says so, and one that has enough starts") func server() throws {
      var (refused, started) = (0, 0)
      for limit in Self.limits {
        let process = try ChildProcess(Self.command(limit, "server --bind 127.0.0.1:0"))
        var output = ""
        while !output.contains("LISTENING") {
          let more = process.read()
          if more.isEmpty { break }
          output += more
        }
        if output.contains("LISTENING") {
          started += 1
          _ = process.stop(SIGKILL)
        } else {
          let code = process.stop()
          #expect(code > 0 && code < 128, "\(limit) files: it ended with \(code): \(output)")
          #expect(output.contains("UNAVAILABLE") && output.contains("too many open files"), "\(limit): \(output)")
          refused += 1
        }
      }
      #expect(refused > 0 && started > 0)
    }

    /// What a process has used of its CPUs.
    private static func cpuTime(of pid: Int) throws -> Duration {
      let text = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
      let fields = text.split(separator: ")")[1].split(separator: " ")
      let ticks = try #require(Int(fields[11])) + #require(Int(fields[12]))
      return .milliseconds(ticks * 1000 / sysconf(Int32(_SC_CLK_TCK)))
    }

    @Test("a server that can't accept any more does not burn its core, and accepts again later") func accepting()
      async throws
    {
      let process = try ChildProcess(Self.command(48, "server --bind 127.0.0.1:0"))
      var output = ""
      while !output.contains("LISTENING") || !output.hasSuffix("\n") {
        let more = process.read()
        try #require(!more.isEmpty, "\(output)")
        output += more
      }
      let words = output.split { " \n".contains($0) }
      let pid = try #require(Int(words[1]))
      let port = try #require(words.last?.split(separator: ":").last.flatMap { UInt16($0) })
      var connections: [Int32] = []
      for _ in 0..<100 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafeBytes(of: address) {
          connect(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        #expect(result == 0)
        connections.append(descriptor)
      }
      try await eventually("it has taken what it can") {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count >= 48
      }
      let before = try Self.cpuTime(of: pid)
      try await Task.sleep(for: .seconds(2))
      let used = try Self.cpuTime(of: pid) - before
      #expect(used < .milliseconds(500), "\(used) in 2 s")
      for descriptor in connections { close(descriptor) }
      let (answer, code) = try ChildProcess.run([
        InteropTests.program, "probe", "--target", "ipv4:127.0.0.1:\(port)", "--calls", "1", "--timeout_ms", "20000",
      ])
      #expect(code == 0 && answer.contains("\"code\":0"), "\(answer)")
      #expect(process.stop(SIGTERM) == 0)
    }
  }
#endif
