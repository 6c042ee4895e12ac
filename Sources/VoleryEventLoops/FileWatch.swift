import CLibUV
import Synchronization
import VoleryPlatform

/// Tells that some files may have changed, in whichever way: rewritten, replaced, removed, or reached through symbolic links
/// that change. It watches the directories where that shows (inotify on Linux).
///
/// It is a hint: where the system has no more watches to give, or a directory is not there, nothing is told; look now and then
/// besides. Made and closed on any thread.
package final class FileWatch: Sendable {
  private let paths: [String]
  private let loop: EventLoop
  /// Nil once closed.
  private let watches = Mutex<[String: Watch]?>([:])

  private struct Watch {
    let directory: FileStamp?
    let watch: DirectoryWatch
  }

  package init(_ paths: [String], on loop: EventLoop) {
    self.paths = paths
    self.loop = loop
  }

  deinit { close() }

  /// Looks where the files are by now, and watches there. To be called before each reading of them, so that no change falls
  /// between. Blocks where the file system does.
  ///
  /// - Parameter changed: Called on the loop, often several times for one change.
  package func renew(_ changed: @escaping @Sendable () -> Void) {
    var wanted: [String] = []
    for path in paths { FileWatch.addDirectories(of: path, to: &wanted) }
    let stamps = wanted.map { FileStamp($0) }
    watches.withLock { watches in
      guard var found = watches else { return }
      for (directory, watch) in found where !wanted.contains(directory) {
        watch.watch.close()
        found[directory] = nil
      }
      for (directory, stamp) in zip(wanted, stamps) {
        // The same directory, not one of the same name that has taken its place.
        if let watch = found[directory], watch.directory?.inode == stamp?.inode,
          watch.directory?.device == stamp?.device
        {
          continue
        }
        found.removeValue(forKey: directory)?.watch.close()
        found[directory] = Watch(directory: stamp, watch: DirectoryWatch(directory, on: loop, changed: changed))
      }
      watches = found
    }
  }

  /// Nothing is told after it has taken effect on the loop. May be called twice.
  package func close() {
    for watch in watches.withLock({ $0.take() ?? [:] }).values { watch.watch.close() }
  }

  // MARK: Where changes show

  /// The directory of the path, and those that its symbolic links lead to: a ConfigMap's file is a link to `..data/NAME`, and
  /// `..data` a link that is swapped.
  private static func addDirectories(of path: String, to wanted: inout [String]) {
    var place = path
    for _ in 0..<8 {
      let directory = directory(of: place)
      if !wanted.contains(directory) { wanted.append(directory) }
      guard let target = link(place) else { break }
      place = target.hasPrefix("/") ? target : "\(directory)/\(target)"
    }
    if let real = resolved(path), !wanted.contains(directory(of: real)) { wanted.append(directory(of: real)) }
  }

  private static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func link(_ path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes { readlink(path, $0.baseAddress!, $0.count) }
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }

  private static func resolved(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }
}

/// One directory: a file in it was made, written, renamed or removed. On its loop; made and closed on any thread.
private final class DirectoryWatch: @unchecked Sendable {  // Isolation: loop
  private let loop: EventLoop
  private let handle = UnsafeMutablePointer<uv_fs_event_t>.allocate(capacity: 1)
  private let changed: @Sendable () -> Void

  init(_ path: String, on loop: EventLoop, changed: @escaping @Sendable () -> Void) {
    self.loop = loop
    self.changed = changed
    loop.execute { [self] in
      uv_fs_event_init(loop.uv, handle)
      handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
      uv_fs_event_start(
        handle,
        { handle, _, _, _ in
          let watch = Unmanaged<DirectoryWatch>.fromOpaque(handle!.pointee.data).takeUnretainedValue()
          watch.changed()
          watch.loop.finishTurn()
        }, path, 0)
    }
  }

  /// To be called once; nothing is told after it has taken effect on the loop.
  func close() {
    loop.execute { [self] in
      let handle = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
      guard uv_is_closing(handle) == 0 else { return }
      uv_close(handle) { handle in
        let watch = Unmanaged<DirectoryWatch>.fromOpaque(handle!.pointee.data).takeRetainedValue()
        watch.handle.deallocate()
      }
    }
  }
}
