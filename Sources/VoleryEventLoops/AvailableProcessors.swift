import VoleryPlatform

/// How many processors this process may use at once.
package enum AvailableProcessors {
  /// The machine's that are online, or what the process's affinity leaves of them, or what the limits of its control groups come to:
  /// 1.5 processors are two. Looked up once; at least 1.
  package static let count = count(
    machine: sysconf(Int32(_SC_NPROCESSORS_ONLN)), status: ControlGroup.text(of: "/proc/self/status") ?? "",
    groups: ControlGroup.text(of: "/proc/self/cgroup") ?? "", root: "/sys/fs/cgroup")

  /// The same of what the system says.
  ///
  /// - Parameters:
  ///   - status: /proc/self/status, or nothing.
  ///   - groups: /proc/self/cgroup, or nothing.
  ///   - root: Where control groups are mounted.
  package static func count(machine: Int, status: String, groups: String, root: String) -> Int {
    let quotas = ControlGroup.all(of: "cpu", list: groups, root: root).compactMap { quota(of: $0) }
    return max(
      1,
      ([machine, allowed(status)].compactMap { $0 } + quotas.map { Int($0.rounded(.up)) }).filter { $0 > 0 }.min() ?? 1)
  }

  /// Processors of `Cpus_allowed_list:	0-3,8`; nil where there is no such line, or it can't be read.
  private static func allowed(_ status: String) -> Int? {
    let name = "Cpus_allowed_list:"
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
    var count = 0
    for part in line.dropFirst(name.count).split(separator: ",") {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map {
        Int($0.filter { $0 != " " && $0 != "\t" })
      }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], last >= first else {
        return nil
      }
      count += last - first + 1
    }
    return count > 0 ? count : nil
  }

  /// Nil: it has no limit.
  private static func quota(of group: ControlGroup) -> Double? {
    switch group.version {
    case .two:
      // "150000 100000", or "max 100000".
      let words = (group.text("cpu.max") ?? "").split { $0 == " " || $0 == "\n" }
      return quota(words.first, words.dropFirst().first ?? "100000")
    case .one:
      // Below 0: none.
      return quota(
        group.text("cpu.cfs_quota_us")?.split(separator: "\n").first,
        group.text("cpu.cfs_period_us")?.split(separator: "\n").first)
    }
  }

  private static func quota(_ quota: Substring?, _ period: Substring?) -> Double? {
    guard let quota = quota.flatMap({ Int($0) }), let period = period.flatMap({ Int($0) }), quota > 0, period > 0 else {
      return nil
    }
    // No machine has more; a number that is off must not be too much for an Int.
    return min(Double(quota) / Double(period), 1_000_000)
  }
}
