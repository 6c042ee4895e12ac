import CZlib

/// Inflates whole buffers. Not for two threads at once; `Zlib` hands one out to one at a time.
final class Inflater {
  /// zlib keeps its address.
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  private let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 16)
  /// Deflate can't do better than 1 to this.
  private static let maxRatio = 1032

  /// Nil when there is no memory.
  init?(_ format: CompressionFormat) {
    stream.initialize(to: z_stream())
    let code = inflateInit2_(stream, format.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard code == Z_OK else {
      chunk.deallocate()
      stream.deallocate()
      return nil
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
    chunk.deallocate()
  }

  /// The inflated bytes, at most `limit`: it stops there, whatever the rest would have been. Several gzip members one after
  /// another are one text (RFC 1952, 2.2).
  func inflate(_ input: UnsafeRawBufferPointer, limit: Int) throws(InflateFailure) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(Inflater.expectedByteCount(input, limit: limit))
    try run(input, limit: limit) { output.append(contentsOf: $0) }
    return output
  }

  /// How many bytes they would be; nil for what is damaged or longer than `limit`.
  func inflatedByteCount(_ input: UnsafeRawBufferPointer, limit: Int) -> Int? {
    var count = 0
    do throws(InflateFailure) { try run(input, limit: limit) { count += $0.count } } catch { return nil }
    return count
  }

  /// Gives the inflated bytes away, part by part.
  private func run(
    _ input: UnsafeRawBufferPointer, limit: Int, take: (UnsafeRawBufferPointer) -> Void
  ) throws(InflateFailure) {
    inflateReset(stream)
    guard !input.isEmpty, input.count <= Int(UInt32.max) else { throw .corrupt }
    // zlib takes a pointer to mutable bytes and does not write to them.
    stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress!.assumingMemoryBound(to: UInt8.self))
    stream.pointee.avail_in = UInt32(input.count)
    var left = limit
    while true {
      stream.pointee.next_out = chunk.baseAddress!.assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(chunk.count)
      let code = CZlib.inflate(stream, Z_NO_FLUSH)
      let produced = chunk.count - Int(stream.pointee.avail_out)
      guard produced <= left else { throw .tooLarge }
      left -= produced
      take(UnsafeRawBufferPointer(rebasing: chunk[..<produced]))
      switch code {
      case Z_STREAM_END where stream.pointee.avail_in == 0: return
      case Z_STREAM_END: inflateReset(stream)
      case Z_OK where stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0: continue
      case Z_MEM_ERROR: throw .outOfMemory
      default: throw .corrupt
      }
    }
  }

  /// The size that a gzip trailer claims, no further than the format and the limit allow: a hint, never trusted.
  private static func expectedByteCount(_ input: UnsafeRawBufferPointer, limit: Int) -> Int {
    guard let claimed = claimedByteCount(input) else { return min(input.count, limit) }
    return min(claimed, limit, input.count * maxRatio)
  }

  /// The size in a gzip trailer (RFC 1952, 2.3.1): of its last member; nil where there is none that the bytes before it allow.
  static func gzipByteCount(_ input: UnsafeRawBufferPointer) -> Int? {
    claimedByteCount(input).flatMap { $0 <= input.count * maxRatio ? $0 : nil }
  }

  private static func claimedByteCount(_ input: UnsafeRawBufferPointer) -> Int? {
    guard input.count >= 18, input[0] == 0x1f, input[1] == 0x8b else { return nil }
    return Int(UInt32(littleEndian: input.loadUnaligned(fromByteOffset: input.count - 4, as: UInt32.self)))
  }
}
