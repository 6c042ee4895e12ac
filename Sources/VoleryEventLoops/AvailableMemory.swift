import VoleryPlatform

/// How much memory this process may have.
package enum AvailableMemory {
  /// The machine's, or the least that a limit of the process's control groups allows (cgroups(7), both versions). In bytes;
  /// looked up once.
  package static let byteCount: Int = {
    let machine = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    return limits(groups: text(of: "/proc/self/cgroup") ?? "").reduce(machine > 0 ? machine : 1 << 30, min)
  }()

  /// - Parameter groups: What /proc/self/cgroup says: lines of `number:controllers:path`.
  private static func limits(groups: String) -> [Int] {
    groups.split(separator: "\n").flatMap { line -> [Int] in
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return [] }
      if fields[1].isEmpty { return limits(root: "/sys/fs/cgroup", String(fields[2]), file: "memory.max") }
      guard fields[1].split(separator: ",").contains("memory") else { return [] }
      return limits(root: "/sys/fs/cgroup/memory", String(fields[2]), file: "memory.limit_in_bytes")
    }
  }

  /// Those of the group and of all above it. In a container the group's own path may not be there: its root is.
  private static func limits(root: String, _ path: String, file: String) -> [Int] {
    var parts = path.split(separator: "/")
    var found: [Int] = []
    while true {
      let name = ([root] + parts.map(String.init) + [file]).joined(separator: "/")
      if let limit = text(of: name).flatMap({ Int($0.prefix { $0.isNumber }) }), limit > 0 { found.append(limit) }
      guard parts.popLast() != nil else { return found }
    }
  }

  /// The first few KiB of a file; nil where there is none.
  private static func text(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 8192)
    let count = read(descriptor, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }
}
