#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A received header block: names and values in one flat buffer that is used again for the next block.
public struct HeaderBlock: ~Copyable {
  private struct Entry {
    var name: Int
    var nameCount: Int
    var valueCount: Int
  }

  private var bytes: [UInt8] = []
  private var entries: [Entry] = []
  private let limit: Int
  private var listByteCount = 0

  init(limit: Int) { self.limit = limit }

  /// The block is larger than the limit: what came after the limit is not here.
  package var isTooLarge: Bool { listByteCount > limit }

  package var count: Int { entries.count }

  mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    entries.removeAll(keepingCapacity: true)
    listByteCount = 0
  }

  mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    listByteCount += name.count + value.count + 32
    guard !isTooLarge else { return }
    entries.append(Entry(name: bytes.count, nameCount: name.count, valueCount: value.count))
    bytes.append(contentsOf: name)
    bytes.append(contentsOf: value)
  }

  /// Visits each field in order; the pointers are valid during the call.
  package borrowing func forEach(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
    bytes.withUnsafeBytes { bytes in
      for entry in entries {
        let value = entry.name + entry.nameCount
        body(
          UnsafeRawBufferPointer(rebasing: bytes[entry.name..<value]),
          UnsafeRawBufferPointer(rebasing: bytes[value..<(value + entry.valueCount)]))
      }
    }
  }
}
