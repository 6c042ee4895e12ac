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

  /// Appends two entries with one growth of the buffer, without looking at them.
  package mutating func append(_ first: ListEntry, _ second: ListEntry) {
    withUnsafeTemporaryAllocation(byteCount: first.byteCount + second.byteCount, alignment: 4) { entries in
      first.write(to: UnsafeMutableRawBufferPointer(rebasing: entries[..<first.byteCount]))
      second.write(to: UnsafeMutableRawBufferPointer(rebasing: entries[first.byteCount...]))
      appendEntries(UnsafeRawBufferPointer(entries))
    }
  }

  /// An entry whose value is a list, and one element more behind a comma: in pieces, until it is written.
  package struct ListEntry {
    private let key: StaticString
    private let list: UnsafeRawBufferPointer
    private let last: UnsafeRawBufferPointer

    /// - Parameters:
    ///   - key: In lower case.
    ///   - list: Empty: `last` stands alone.
    package init(_ key: StaticString, _ list: UnsafeRawBufferPointer, _ last: UnsafeRawBufferPointer) {
      self.key = key
      self.list = list
      self.last = last
    }

    private static let comma: StaticString = ", "
    private var valueByteCount: Int {
      list.isEmpty ? last.count : list.count + ListEntry.comma.utf8CodeUnitCount + last.count
    }
    fileprivate var byteCount: Int { 8 + key.utf8CodeUnitCount + valueByteCount }

    fileprivate func write(to entry: UnsafeMutableRawBufferPointer) {
      entry.storeBytes(of: UInt32(key.utf8CodeUnitCount), as: UInt32.self)
      entry.storeBytes(of: UInt32(valueByteCount), toByteOffset: 4, as: UInt32.self)
      var end = 8
      func write(_ start: UnsafeRawPointer?, _ count: Int) {
        guard let start, count > 0 else { return }
        (entry.baseAddress! + end).copyMemory(from: start, byteCount: count)
        end += count
      }
      write(key.utf8Start, key.utf8CodeUnitCount)
      if !list.isEmpty {
        write(list.baseAddress, list.count)
        write(ListEntry.comma.utf8Start, ListEntry.comma.utf8CodeUnitCount)
      }
      write(last.baseAddress, last.count)
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
