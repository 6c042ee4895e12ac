extension UnsafeBufferPointer<UInt8> {
  /// The same bytes with a type: arrays append these at once, and raw ones byte by byte.
  @inline(__always)
  package init(_ raw: UnsafeRawBufferPointer) {
    self.init(start: raw.baseAddress?.assumingMemoryBound(to: UInt8.self), count: raw.count)
  }
}
