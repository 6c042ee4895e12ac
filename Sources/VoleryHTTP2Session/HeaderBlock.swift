#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A received header block: names and values in one flat buffer that is used again for the next block.
public struct HeaderBlock: ~Copyable {
  private struct Entry {
    var name: UInt32
    var nameCount: UInt32
    var valueCount: UInt32
  }

  private var bytes = UnsafeMutableRawPointer.allocate(byteCount: HeaderBlock.firstCapacity, alignment: 1)
  private var byteCount = 0
  private var capacity = HeaderBlock.firstCapacity
  private var entries: [Entry] = []
  private let limit: Int
  private var listByteCount = 0
  private static let firstCapacity = 512

  /// - Parameter limit: Names, values and 32 bytes for each field (RFC 9113, 6.5.2); at most 2 GiB.
  init(limit: Int) { self.limit = min(limit, 1 << 31) }

  deinit { bytes.deallocate() }

  /// The block is larger than the limit: what came after the limit is not here.
  package var isTooLarge: Bool { listByteCount > limit }

  package var count: Int { entries.count }

  mutating func removeAll() {
    byteCount = 0
    entries.removeAll(keepingCapacity: true)
    listByteCount = 0
  }

  mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    listByteCount += name.count + value.count + 32
    guard !isTooLarge else { return }
    if byteCount + name.count + value.count > capacity { grow(by: name.count + value.count) }
    entries.append(
      Entry(name: UInt32(byteCount), nameCount: UInt32(name.count), valueCount: UInt32(value.count)))
    copy(name)
    copy(value)
  }

  private mutating func copy(_ source: UnsafeRawBufferPointer) {
    guard let start = source.baseAddress else { return }
    memcpy(bytes + byteCount, start, source.count)
    byteCount += source.count
  }

  private mutating func grow(by count: Int) {
    capacity = max(capacity * 2, byteCount + count)
    let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 1)
    memcpy(larger, bytes, byteCount)
    bytes.deallocate()
    bytes = larger
  }

  /// Visits each field in order. The pointers are valid until the block is used again: while `headersReceived` runs.
  package borrowing func forEach(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
    for entry in entries {
      let name = bytes + Int(entry.name)
      body(
        UnsafeRawBufferPointer(start: name, count: Int(entry.nameCount)),
        UnsafeRawBufferPointer(start: name + Int(entry.nameCount), count: Int(entry.valueCount)))
    }
  }
}
