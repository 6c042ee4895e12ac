import VoleryPlatform

/// How much memory this process may have.
package enum AvailableMemory {
  /// The machine's, or the least that a limit of the process's control groups allows (cgroups(7), both versions). In bytes;
  /// looked up once.
  package static let byteCount: Int = {
    let machine = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    let list = ControlGroup.text(of: "/proc/self/cgroup") ?? ""
    return ControlGroup.all(of: "memory", list: list, root: "/sys/fs/cgroup")
      .compactMap { group in
        let text = group.text(group.version == .two ? "memory.max" : "memory.limit_in_bytes")
        return text.flatMap { Int($0.prefix { $0.isNumber }) }
      }
      .filter { $0 > 0 }
      .reduce(machine > 0 ? machine : 1 << 30, min)
  }()
}
