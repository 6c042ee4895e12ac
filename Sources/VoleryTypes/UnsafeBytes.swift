extension UnsafeBufferPointer<UInt8> {
  /// The same bytes with a type: arrays append these at once, and raw ones byte by byte.
  @inline(__always)
  package init(_ raw: UnsafeRawBufferPointer) {
    self.init(start: raw.baseAddress?.assumingMemoryBound(to: UInt8.self), count: raw.count)
  }
}

extension [UInt8] {
  /// An array of so many bytes, all of which `body` writes. Made so, it costs half of what the standard library's own
  /// initializers for the purpose cost: those look its class up each time.
  @inlinable
  package init<Failure: Error>(
    byteCount: Int, writing body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    self = []
    reserveCapacity(byteCount)
    var failure: Failure?
    append(addingCapacity: byteCount) { span in
      span.withUnsafeMutableBufferPointer { buffer, initializedCount in
        do throws(Failure) {
          try body(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<byteCount]))
          initializedCount = byteCount
        } catch {
          failure = error
        }
      }
    }
    if let failure { throw failure }
  }
}
