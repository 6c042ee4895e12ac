import CZlib

/// Compresses whole buffers. Not for two threads at once; `Zlib` hands one out to one at a time.
final class Deflater {
  /// zlib keeps its address.
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)

  /// Nil when there is no memory.
  init?(_ format: CompressionFormat) {
    stream.initialize(to: z_stream())
    let code = deflateInit2_(
      stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, format.windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    guard code == Z_OK else {
      stream.deallocate()
      return nil
    }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  /// The compressed bytes behind `prefixByteCount` zeroes, in an array of their own; nil when they would not be fewer than
  /// the input's.
  func deflate(_ input: UnsafeRawBufferPointer, prefixByteCount: Int) -> [UInt8]? {
    guard input.count > 1, input.count <= Int(UInt32.max) else { return nil }
    deflateReset(stream)
    var isSmaller = false
    let output = [UInt8](unsafeUninitializedCapacity: prefixByteCount + input.count - 1) { buffer, count in
      buffer[..<prefixByteCount].initialize(repeating: 0)
      stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress!.assumingMemoryBound(to: UInt8.self))
      stream.pointee.avail_in = UInt32(input.count)
      stream.pointee.next_out = buffer.baseAddress! + prefixByteCount
      stream.pointee.avail_out = UInt32(input.count - 1)
      isSmaller = CZlib.deflate(stream, Z_FINISH) == Z_STREAM_END
      count = prefixByteCount + input.count - 1 - Int(stream.pointee.avail_out)
    }
    return isSmaller ? output : nil
  }
}
