import VoleryPlatform
import VoleryPrimitives
import VoleryProtobuf
package import VoleryTypes

/// Reads the entries of a binary log one after another. Blocks.
package struct BinaryLogReader: ~Copyable {
  /// Of an entry; what claims to be longer is none.
  package static let maxEntryBytes = 256 << 20
  private static let prefixByteCount = 4

  private let path: String
  private let descriptor: CInt
  private var offset = 0

  /// - Throws: NOT_FOUND where the file can't be opened.
  package init(_ path: String) throws(StatusError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw StatusError(.notFound, "\(String(foreign: path)): \(String(cString: strerror(errno)))")
    }
    self.init(path, descriptor)
  }

  private init(_ path: String, _ descriptor: CInt) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// The next one; nil at the end.
  ///
  /// - Throws: DATA_LOSS where there is no entry, or half of one, with the place in the file.
  package mutating func next() throws(StatusError) -> LogGrpcLogEntry? {
    let prefix = try read(BinaryLogReader.prefixByteCount)
    if prefix.isEmpty { return nil }
    guard prefix.count == BinaryLogReader.prefixByteCount else { throw lost("ends within an entry's length") }
    let count = prefix.reduce(0) { $0 << 8 | Int($1) }
    guard count <= BinaryLogReader.maxEntryBytes else { throw lost("has no entry there, or one of \(count) bytes") }
    let bytes = try read(count)
    guard bytes.count == count else { throw lost("ends within an entry of \(count) bytes") }
    guard let entry = try? LogGrpcLogEntry(wireArray: bytes) else { throw lost("has no entry there") }
    offset += BinaryLogReader.prefixByteCount + count
    return entry
  }

  private func lost(_ what: String) -> StatusError {
    StatusError(.dataLoss, "\(String(foreign: path)) \(what), at byte \(offset)")
  }

  /// As many bytes as there are, up to `count`: memory grows with what is there, not with what is claimed.
  private func read(_ count: Int) throws(StatusError) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      var chunk = [UInt8](repeating: 0, count: min(count - bytes.count, 64 << 10))
      let got = chunk.withUnsafeMutableBytes { VoleryPlatform.read(descriptor, $0.baseAddress, $0.count) }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw lost("can't be read: \(String(cString: strerror(errno)))") }
      if got == 0 { break }
      bytes += chunk[..<got]
    }
    return bytes
  }
}
