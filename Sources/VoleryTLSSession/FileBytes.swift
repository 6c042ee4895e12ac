#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Reads the small files that certificates and keys are.
enum FileBytes {
  /// The system's whole bundle of roots has 0.2 MiB.
  static let limit = 16 << 20

  static func read(_ path: String) throws(TLSError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw failed(path) }
    defer { close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0 else { throw failed(path) }
    guard information.st_mode & S_IFMT == S_IFREG else { throw TLSError("\(path) is not a file") }
    guard information.st_size <= limit else { throw TLSError("\(path) is too large to be a certificate or a key") }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: max(Int(information.st_size), 512))
    while bytes.count <= limit {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw failed(path) }
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    return bytes
  }

  private static func failed(_ path: String) -> TLSError {
    TLSError("\(path) can't be read: \(String(cString: strerror(errno)))")
  }
}

/// Tells one state of a file from another, through symbolic links: Kubernetes replaces secrets by swapping one.
struct FileFingerprint: Hashable {
  private var device: UInt64 = 0
  private var inode: UInt64 = 0
  private var byteCount: Int64 = 0
  private var modified = Moment()
  private var changed = Moment()

  private struct Moment: Hashable {
    var seconds = 0
    var nanoseconds = 0
  }

  /// All zeroes for a file that is not there.
  init(_ path: String) {
    var information = stat()
    guard stat(path, &information) == 0 else { return }
    device = UInt64(information.st_dev)
    inode = UInt64(information.st_ino)
    byteCount = Int64(information.st_size)
    #if canImport(Glibc)
      modified = Moment(seconds: information.st_mtim.tv_sec, nanoseconds: information.st_mtim.tv_nsec)
      changed = Moment(seconds: information.st_ctim.tv_sec, nanoseconds: information.st_ctim.tv_nsec)
    #else
      modified = Moment(seconds: information.st_mtimespec.tv_sec, nanoseconds: information.st_mtimespec.tv_nsec)
      changed = Moment(seconds: information.st_ctimespec.tv_sec, nanoseconds: information.st_ctimespec.tv_nsec)
    #endif
  }

  /// Written to so lately that the next write might leave the same times behind.
  var isFresh: Bool {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return changed.seconds >= now.tv_sec - 1
  }
}
