/// Reads files that are small, whoever may have put whatever in their place: certificates, endpoint files.
package enum SmallFile {
  package enum Failure: Error, Equatable {
    /// What the system says (`errno`).
    case system(Int32)
    /// A directory, a pipe, a device.
    case notRegular
    case tooLarge

    /// "No such file or directory".
    package var text: String {
      switch self {
      case .system(let number): String(cString: strerror(number))
      case .notRegular: "not a regular file"
      case .tooLarge: "too large"
      }
    }
  }

  /// The file's whole content. Never waits for a writer (a named pipe), but for the file system, which may hang.
  ///
  /// - Parameter limit: Bytes.
  package static func content(of path: String, limit: Int) throws(Failure) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .system(errno) }
    defer { close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0 else { throw .system(errno) }
    guard information.st_mode & S_IFMT == S_IFREG else { throw .notRegular }
    guard information.st_size <= limit else { throw .tooLarge }
    var bytes: [UInt8] = []
    // One more than there are: the end shows at once.
    var chunk = [UInt8](repeating: 0, count: min(max(Int(information.st_size) + 1, 512), 256 << 10))
    // It may grow meanwhile.
    while bytes.count <= limit {
      let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system(errno) }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
    }
    throw .tooLarge
  }
}
