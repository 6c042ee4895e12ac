/// Tells one state of a file from another without reading it, through symbolic links: Kubernetes replaces secrets and
/// ConfigMaps by swapping one.
package struct FileStamp: Hashable, Sendable {
  package let device: UInt64
  package let inode: UInt64
  private let byteCount: Int64
  private let modified: Time
  private let changed: Time

  private struct Time: Hashable, Sendable {
    let seconds: Int
    let nanoseconds: Int

    init(_ time: timespec) {
      seconds = Int(time.tv_sec)
      nanoseconds = Int(time.tv_nsec)
    }
  }

  /// Of what the path leads to; nil where there is nothing.
  package init?(_ path: String) {
    var information = stat()
    guard stat(path, &information) == 0 else { return nil }
    device = UInt64(information.st_dev)
    inode = UInt64(information.st_ino)
    byteCount = Int64(information.st_size)
    #if os(Linux)
      modified = Time(information.st_mtim)
      changed = Time(information.st_ctim)
    #else
      modified = Time(information.st_mtimespec)
      changed = Time(information.st_ctimespec)
    #endif
  }

  /// Written to so lately that the next write might leave the same times behind.
  package var isFresh: Bool {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return changed.seconds >= now.tv_sec - 1
  }
}
