extension UnsafeBufferPointer<UInt8> {
  /// The same bytes with a type: arrays append these at once, and raw ones byte by byte.
  @inline(__always)
  package init(_ raw: UnsafeRawBufferPointer) {
    self.init(start: raw.baseAddress?.assumingMemoryBound(to: UInt8.self), count: raw.count)
  }
}

extension [UInt8] {
  /// So many bytes of no certain value, to be written with `withUnsafeMutableBytes`. At half the price of
  /// `init(unsafeUninitializedCapacity:)`, which looks the array's class up each time.
  package init(uninitializedCount count: Int) { self = Array(UninitializedBytes(count: count)) }
}

/// Copies itself into an array by leaving the array's memory as it is.
private struct UninitializedBytes: Collection {
  let count: Int

  var startIndex: Int { 0 }
  var endIndex: Int { count }
  var underestimatedCount: Int { count }

  subscript(position: Int) -> UInt8 { 0 }

  func index(after index: Int) -> Int { index + 1 }

  /// Whoever copies the contents finds nothing after them.
  func makeIterator() -> EmptyCollection<UInt8>.Iterator { EmptyCollection<UInt8>.Iterator() }

  func _copyContents(initializing buffer: UnsafeMutableBufferPointer<UInt8>) -> (Iterator, Int) {
    (makeIterator(), count)
  }
}
