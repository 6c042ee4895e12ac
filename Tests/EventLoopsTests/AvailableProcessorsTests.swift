import Foundation
import Testing
import VoleryEventLoops

@Suite("Available processors") struct AvailableProcessorsTests {
  /// Files below a folder of the test's own.
  func count(
    machine: Int = 64, status: String = "", groups: String = "", files: [String: String] = [:]
  ) throws -> Int {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent("cgroup-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    for (path, text) in files {
      let file = root.appendingPathComponent(path)
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    return AvailableProcessors.count(machine: machine, status: status, groups: groups, root: root.path)
  }

  @Test(
    "a limit of control groups of version 2 holds, rounded up",
    arguments: [
      ("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000\n", 1), ("100001 100000\n", 2), ("300000\n", 3),
      ("max 100000\n", 64), ("", 64), ("nonsense here\n", 64), ("0 0\n", 64), ("-1 100000\n", 64),
      ("9223372036854775807 1\n", 64), ("99999999999999999999 100000\n", 64),
    ])
  func versionTwo(_ text: String, _ expected: Int) throws {
    #expect(try count(groups: "0::/\n", files: ["cpu.max": text]) == expected)
  }

  @Test("the least of the limits up to the root holds, also where the group's own path is not there") func nested()
    throws
  {
    let files = ["pods/cpu.max": "400000 100000\n", "pods/one/cpu.max": "max 100000\n"]
    #expect(try count(groups: "0::/pods/one\n", files: files) == 4)
    #expect(
      try count(groups: "0::/pods/one\n", files: files.merging(["pods/one/cpu.max": "300000 100000"]) { $1 }) == 3)
    #expect(try count(groups: "0::/elsewhere/unknown\n", files: ["cpu.max": "200000 100000\n"]) == 2)
  }

  @Test(
    "a limit of control groups of version 1 holds, rounded up",
    arguments: [("250000", "100000", 3), ("-1", "100000", 64), ("100000", "0", 64), ("x", "y", 64)])
  func versionOne(_ quota: String, _ period: String, _ expected: Int) throws {
    let files = ["cpu/pod/cpu.cfs_quota_us": quota + "\n", "cpu/pod/cpu.cfs_period_us": period + "\n"]
    #expect(try count(groups: "4:cpu,cpuacct:/pod\n3:memory:/pod\n0::/\n", files: files) == expected)
    // Another controller's limit is none of processors.
    #expect(try count(groups: "4:cpuset:/pod\n", files: files) == 64)
  }

  @Test(
    "an affinity holds",
    arguments: [("0-1", 2), ("3", 1), ("0-3,8,10-11", 7), ("", 64), ("1-", 64), ("9-2", 64), ("x", 64)])
  func affinity(_ list: String, _ expected: Int) throws {
    #expect(try count(status: "Name:\tx\nCpus_allowed_list:\t\(list)\nMems_allowed_list:\t0\n") == expected)
  }

  @Test("what nobody knows is the machine's, and there is one at least") func unknown() throws {
    #expect(try count(machine: 8) == 8 && count(machine: -1) == 1 && count(machine: 0, groups: ":::\n::\n\n") == 1)
  }

  @Test("this process may use as many as it runs on here") func here() {
    #expect(AvailableProcessors.count >= 1 && AvailableProcessors.count <= ProcessInfo.processInfo.processorCount)
  }
}
