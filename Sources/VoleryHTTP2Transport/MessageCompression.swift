import VoleryCompression
package import VoleryTransport
package import VoleryTypes

/// Compression of single messages (doc/compression.md), for both runtimes.
extension Compression {
  private var format: CompressionFormat? {
    switch self {
    case .gzip: .gzip
    case .deflate: .zlib
    default: nil
    }
  }

  /// The frame with its message compressed and its flag set; unchanged where that would not make it smaller, which the flag
  /// tells the peer.
  package func compress(_ frame: MessageFrame) -> MessageFrame {
    guard let format else { return frame }
    let prefix = MessageSink.prefixByteCount
    let compressed = frame.joined.withUnsafeBytes { bytes in
      Zlib.compress(UnsafeRawBufferPointer(rebasing: bytes[prefix...]), format, prefixByteCount: prefix)
    }
    guard var compressed else { return frame }
    compressed[0] = 1
    let count = UInt32(truncatingIfNeeded: compressed.count - prefix)
    for place in 0..<4 { compressed[1 + place] = UInt8(truncatingIfNeeded: count >> (24 - 8 * place)) }
    return MessageFrame(compressed)
  }

  /// How many bytes a compressed message has for its sender, for people: nil where that can't be said, or it is more than `limit`. What
  /// a peer claims is not looked into.
  ///
  /// - Parameter prefix: Bytes before the message, which are not its own.
  package func inflatedByteCount(of message: [UInt8], behind prefix: Int = 0, limit: Int = .max) -> Int? {
    guard let format, message.count > prefix else { return nil }
    return message.withUnsafeBytes { bytes in
      Zlib.inflatedByteCount(UnsafeRawBufferPointer(rebasing: bytes[prefix...]), format, limit: limit)
    }
  }

  /// A message's bytes as its sender had them. `limit` bounds them: a small message may promise gigabytes.
  ///
  /// - Throws: INTERNAL for a compressed message on a stream that names no algorithm, or one that is damaged;
  ///   RESOURCE_EXHAUSTED above the limit.
  package func inflate(_ message: ReceivedMessage, limit: Int) throws(StatusError) -> [UInt8] {
    guard message.isCompressed else { return message.bytes }
    guard let format else {
      throw StatusError(.internal, "a message is marked as compressed, but the stream has no grpc-encoding")
    }
    // Typed throws do not pass through the closure.
    let result = message.bytes.withUnsafeBytes { bytes -> Result<[UInt8], InflateFailure> in
      do throws(InflateFailure) { return .success(try Zlib.inflate(bytes, format, limit: limit)) } catch {
        return .failure(error)
      }
    }
    switch result {
    case .success(let bytes): return bytes
    case .failure(.corrupt): throw StatusError(.internal, "a message is not \(name), or is damaged")
    case .failure(.tooLarge):
      throw StatusError(.resourceExhausted, "a message inflates to more than the limit of \(limit) bytes")
    case .failure(.outOfMemory): throw StatusError(.resourceExhausted, "there is no memory to inflate a message")
    }
  }
}
