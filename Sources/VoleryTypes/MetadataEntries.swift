// Entries as bytes, without a copy.

extension Metadata {
  /// Visits each entry in order; the pointers are valid during the call only.
  package func forEachEntry(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
    storage.withUnsafeBytes { bytes in
      var offset = 0
      while offset < bytes.count {
        let keyLength = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        let valueLength = Int(bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
        let key = offset + 8
        let value = key + keyLength
        offset = value + valueLength
        body(.init(rebasing: bytes[key..<value]), .init(rebasing: bytes[value..<offset]))
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
        let keyLength = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        let value = offset + 8 + keyLength
        let end = value + Int(bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
        if keyLength == key.count, Metadata.isEqual(bytes, from: offset + 8, to: key) {
          body(UnsafeRawBufferPointer(rebasing: bytes[value..<end]))
        }
        offset = end
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
