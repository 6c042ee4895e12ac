import VoleryEventLoops
import VoleryPlatform

/// A file that may change in whichever way: reads it when it may have changed. One `read` at a time, on a thread that may wait
/// for a file system that hangs; `close` at any time.
final class WatchedFile: @unchecked Sendable {  // Isolation: handed over
  enum Content: Equatable, Sendable {
    case unchanged
    case bytes([UInt8])
    /// Why it can't be read.
    case unreadable(String)
  }

  private let path: String
  private let watch: FileWatch
  private let changed: @Sendable () -> Void
  private var stamp: FileStamp?
  private var content: Content?

  static let maxBytes = 16 << 20

  /// - Parameter changed: Called on the loop when `read` may find something new.
  init(path: String, on loop: EventLoop, changed: @escaping @Sendable () -> Void) {
    self.path = path
    watch = FileWatch([path], on: loop)
    self.changed = changed
  }

  /// - Parameter isSure: Something has changed: reads it though it looks the same (a rewrite within one tick of the file
  ///   system's clock does).
  func read(isSure: Bool) -> Content {
    // Before reading, so that no change falls between.
    watch.renew(changed)
    let found = FileStamp(path)
    if !isSure, found == stamp, content != nil { return .unchanged }
    stamp = found
    let fresh = WatchedFile.bytes(of: path)
    guard fresh != content else { return .unchanged }
    content = fresh
    return fresh
  }

  func close() { watch.close() }

  private static func bytes(of path: String) -> Content {
    do throws(SmallFile.Failure) {
      return .bytes(try SmallFile.content(of: path, limit: maxBytes))
    } catch {
      return .unreadable(error == .tooLarge ? "larger than \(maxBytes >> 20) MiB" : error.text)
    }
  }
}
