import VoleryPlatform

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
      let count = VoleryPlatform.read(descriptor, &chunk, chunk.count)
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
