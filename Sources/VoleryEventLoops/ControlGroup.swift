import VoleryPlatform

/// A Linux control group that limits this process (cgroups(7)): its own, or one above it, of either version.
struct ControlGroup: Hashable {
  /// Of the file system in which it is.
  enum Version { case one, two }

  let version: Version
  let folder: String

  /// Those that limit what this controller is for, from the process's own up to the root. In a container the process's own path may
  /// not be there: the root is its own.
  ///
  /// - Parameters:
  ///   - list: What /proc/self/cgroup says: lines of `number:controllers:path`.
  ///   - root: Where control groups are mounted.
  static func all(of controller: String, list: String, root: String) -> [ControlGroup] {
    list.split(separator: "\n").flatMap { line -> [ControlGroup] in
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return [] }
      if fields[1].isEmpty { return all(.two, under: root, String(fields[2])) }
      guard fields[1].split(separator: ",").contains(Substring(controller)) else { return [] }
      return all(.one, under: "\(root)/\(controller)", String(fields[2]))
    }
  }

  private static func all(_ version: Version, under root: String, _ path: String) -> [ControlGroup] {
    var parts = path.split(separator: "/")
    var found: [ControlGroup] = []
    while true {
      found.append(ControlGroup(version: version, folder: ([root] + parts.map(String.init)).joined(separator: "/")))
      guard parts.popLast() != nil else { return found }
    }
  }

  /// A file of it; nil where there is none.
  func text(_ file: String) -> String? { ControlGroup.text(of: "\(folder)/\(file)") }

  /// The first few KiB of a file; nil where there is none.
  static func text(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 8192)
    let count = read(descriptor, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }
}
