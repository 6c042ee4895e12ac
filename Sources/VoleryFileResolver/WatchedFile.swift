import Synchronization
import VoleryEventLoops
import VoleryPlatform

/// A file that may be replaced, rewritten, removed, or reached through symbolic links that change: reads it when it may
/// have changed, and keeps watches on the directories where that shows. One `read` at a time, on a thread that may wait for a
/// file system that hangs; `close` at any time.
final class WatchedFile: @unchecked Sendable {
  enum Content: Equatable, Sendable {
    case unchanged
    case bytes([UInt8])
    /// Why it can't be read.
    case unreadable(String)
  }

  private let path: String
  private let loop: EventLoop
  private let changed: @Sendable () -> Void
  private var signature: FileStamp?
  private var content: Content?
  /// Nil once closed.
  private let watches = Mutex<[String: Watch]?>([:])

  private struct Watch {
    let directory: FileStamp?
    let watch: DirectoryWatch
  }

  static let maxBytes = 16 << 20

  /// - Parameter changed: Called on the loop when `read` may find something new.
  init(path: String, on loop: EventLoop, changed: @escaping @Sendable () -> Void) {
    self.path = path
    self.loop = loop
    self.changed = changed
  }

  /// - Parameter isSure: Something has changed: reads it though it looks the same (a rewrite within one tick of the file
  ///   system's clock does).
  func read(isSure: Bool) -> Content {
    // Before reading, so that no change falls between.
    watchDirectories()
    let found = FileStamp(path)
    if !isSure, found == signature, content != nil { return .unchanged }
    signature = found
    let fresh = WatchedFile.bytes(of: path)
    guard fresh != content else { return .unchanged }
    content = fresh
    return fresh
  }

  func close() {
    for watch in watches.withLock({ $0.take() ?? [:] }).values { watch.watch.close() }
  }

  private static func bytes(of path: String) -> Content {
    // Not blocking: a named pipe in its place must not hold up the reader.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return .unreadable(String(cString: strerror(errno))) }
    defer { VoleryPlatform.close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
      return .unreadable("not a regular file")
    }
    guard information.st_size <= maxBytes else { return .unreadable("larger than \(maxBytes >> 20) MiB") }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while bytes.count <= maxBytes {
      let count = buffer.withUnsafeMutableBytes { VoleryPlatform.read(descriptor, $0.baseAddress!, $0.count) }
      if count == 0 { return .bytes(bytes) }
      guard count > 0 else { return .unreadable(String(cString: strerror(errno))) }
      bytes += buffer[..<count]
    }
    return .unreadable("larger than \(maxBytes >> 20) MiB")
  }

  // MARK: Where changes show

  /// Watches the directory of the path, and those that its symbolic links lead to: a ConfigMap's file is a link to
  /// `..data/NAME`, and `..data` a link that is swapped.
  private func watchDirectories() {
    var wanted: [String] = []
    var place = path
    for _ in 0..<8 {
      let directory = WatchedFile.directory(of: place)
      if !wanted.contains(directory) { wanted.append(directory) }
      guard let target = WatchedFile.link(place) else { break }
      place = target.hasPrefix("/") ? target : "\(directory)/\(target)"
    }
    if let real = WatchedFile.resolved(path), !wanted.contains(WatchedFile.directory(of: real)) {
      wanted.append(WatchedFile.directory(of: real))
    }
    let signatures = wanted.map { FileStamp($0) }
    watches.withLock { watches in
      guard var found = watches else { return }
      for (directory, watch) in found where !wanted.contains(directory) {
        watch.watch.close()
        found[directory] = nil
      }
      for (directory, signature) in zip(wanted, signatures) {
        // The same directory, not one of the same name that has taken its place.
        if let watch = found[directory], watch.directory?.inode == signature?.inode,
          watch.directory?.device == signature?.device
        {
          continue
        }
        found.removeValue(forKey: directory)?.watch.close()
        found[directory] = Watch(
          directory: signature, watch: DirectoryWatch(directory, on: loop, changed: changed))
      }
      watches = found
    }
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
