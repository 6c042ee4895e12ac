// Entries as bytes, without a copy.

extension Metadata {
  /// Where the parts of an entry lie in `storage`.
  struct EntryBounds {
    let key: Range<Int>
    let value: Range<Int>
  }

  /// The entry that begins at `offset`.
  @inline(__always) static func entry(in bytes: UnsafeRawBufferPointer, at offset: Int) -> EntryBounds {
    let key = offset + 8
    let value = key + Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    let end = value + Int(bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
    return EntryBounds(key: key..<value, value: value..<end)
  }

  /// Visits each entry in order; the pointers are valid during the call only.
  package func forEachEntry(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
    storage.withUnsafeBytes { bytes in
      var offset = 0
      while offset < bytes.count {
        let entry = Metadata.entry(in: bytes, at: offset)
        offset = entry.value.upperBound
        body(.init(rebasing: bytes[entry.key]), .init(rebasing: bytes[entry.value]))
      }
    }
  }

  /// Visits the values of one key in their order; the pointers are valid during the call only.
  ///
  /// - Parameter key: In lower case.
  package func forEachValue(of key: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
    storage.withUnsafeBytes { bytes in
      var offset = 0
      while offset < bytes.count {
        let entry = Metadata.entry(in: bytes, at: offset)
        if entry.key.count == key.count, Metadata.isEqual(bytes, from: entry.key.lowerBound, to: key) {
          body(UnsafeRawBufferPointer(rebasing: bytes[entry.value]))
        }
        offset = entry.value.upperBound
      }
    }
  }

  /// Appends one entry with one growth of the buffer, without looking at it.
  ///
  /// - Parameter key: In lower case.
  package mutating func appendInOnePiece(_ key: StaticString, _ value: [UInt8]) {
    let (lengths, keyCount) = (8, key.utf8CodeUnitCount)
    withUnsafeTemporaryAllocation(byteCount: lengths + keyCount + value.count, alignment: 4) { entry in
      entry.storeBytes(of: UInt32(keyCount), as: UInt32.self)
      entry.storeBytes(of: UInt32(value.count), toByteOffset: 4, as: UInt32.self)
      let start = entry.baseAddress! + lengths
      start.copyMemory(from: key.utf8Start, byteCount: keyCount)
      value.withUnsafeBytes { bytes in
        if let first = bytes.baseAddress { (start + keyCount).copyMemory(from: first, byteCount: bytes.count) }
      }
      appendEntries(UnsafeRawBufferPointer(entry))
    }
  }

  private static func isEqual(
    _ bytes: UnsafeRawBufferPointer, from offset: Int, to key: UnsafeRawBufferPointer
  ) -> Bool {
    // From the end: names of one length begin alike more often than they end so.
    var index = key.count
    while index > 0 {
      index -= 1
      if bytes[offset + index] != key[index] { return false }
    }
    return true
  }
}
