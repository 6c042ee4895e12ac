#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The runner's protocol: four bytes of length, little-endian, then a message; requests come on standard input, answers go
/// to standard output.
enum Pipe {
  /// Nil at the end of the input.
  static func readMessage() -> [UInt8]? {
    guard let head = readAll(4) else { return nil }
    return readAll(head.reversed().reduce(0) { $0 << 8 | Int($1) })
  }

  static func writeMessage(_ message: [UInt8]) {
    let head = (0..<4).map { UInt8(truncatingIfNeeded: message.count >> (8 * $0)) }
    (head + message).withUnsafeBytes { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = write(STDOUT_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        guard count > 0 else { exit(1) }
        rest = rest.dropFirst(count)
      }
    }
  }

  private static func readAll(_ count: Int) -> [UInt8]? {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count < count {
      let got = read(STDIN_FILENO, &buffer, min(buffer.count, count - bytes.count))
      guard got > 0 else { return nil }
      bytes += buffer[..<got]
    }
    return bytes
  }
}
