import VoleryPlatform
import VoleryTypes

/// The file of a binary log, and the one before it. Blocks.
struct LogFile: ~Copyable {
  private let path: String
  private let limit: Int
  private var descriptor: CInt
  private var byteCount = 0

  /// Begins a new file; one that is there is kept as the one before.
  ///
  /// - Throws: FAILED_PRECONDITION, with what the system says.
  init(_ path: String, limit: Int) throws(StatusError) {
    self.path = path
    self.limit = limit
    descriptor = -1
    try begin()
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Appends bytes, as a whole or not at all.
  ///
  /// - Throws: RESOURCE_EXHAUSTED for more than the file may have, FAILED_PRECONDITION with what the system says.
  mutating func append(_ bytes: [UInt8]) throws(StatusError) {
    guard bytes.count <= limit else {
      throw StatusError(.resourceExhausted, "an entry of \(bytes.count) bytes does not fit into a file of \(limit)")
    }
    if descriptor < 0 || byteCount + bytes.count > limit { try begin() }
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { VoleryPlatform.write(descriptor, $0.baseAddress! + done, bytes.count - done) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let error = LogFile.error("can't be written", path)
        // Half an entry would make the rest unreadable.
        if ftruncate(descriptor, off_t(byteCount)) != 0 { abandon() }
        throw error
      }
      done += count
    }
    byteCount += bytes.count
  }

  private mutating func abandon() {
    close(descriptor)
    descriptor = -1
  }

  /// It may hold what calls carry: nobody else may read it, and no link is followed.
  private mutating func begin() throws(StatusError) {
    if descriptor >= 0 { abandon() }
    byteCount = 0
    if FileStamp(path) != nil, rename(path, path + ".1") != 0 { throw LogFile.error("can't be renamed", path) }
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw LogFile.error("can't be made", path) }
  }

  private static func error(_ what: String, _ path: String) -> StatusError {
    StatusError(.failedPrecondition, "the binary log \(path) \(what): \(String(cString: strerror(errno)))")
  }
}
