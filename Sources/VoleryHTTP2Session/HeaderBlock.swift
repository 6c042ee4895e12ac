import VoleryPlatform

/// A received header block: its fields one after another in one flat buffer that is used again for the next block.
///
/// A field is the length of its name and of its value (UInt32 each, native order), then the bytes of both. Fields that
/// follow one another may be copied in one piece.
public struct HeaderBlock: ~Copyable {
  package let limit: Int
  @usableFromInline package private(set) var bytes = UnsafeMutableRawPointer.allocate(
    byteCount: HeaderBlock.firstCapacity, alignment: 4)
  @usableFromInline package private(set) var byteCount = 0
  private var capacity = HeaderBlock.firstCapacity
  /// Of the whole block, by RFC 9113's count, what is not here included.
  package private(set) var listByteCount = 0
  private var omittedByteCount = 0
  private static let firstCapacity = 512
  /// A buffer that has become larger than this is not kept for the next block.
  private static let maxKeptCapacity = 64 << 10
  /// In front of a name: both lengths.
  @usableFromInline package static let lengthsByteCount = 8

  /// - Parameter limit: Names, values and 32 bytes for each field (RFC 9113, 6.5.2); at most 2 GiB.
  init(limit: Int) { self.limit = min(limit, 1 << 31) }

  deinit { bytes.deallocate() }

  /// The block is larger than the limit: what came after the limit is not here.
  package var isTooLarge: Bool { listByteCount > limit || omittedByteCount > 0 }

  /// In words, by how much it is larger; nil when it is not.
  ///
  /// - Parameter owner: Whose limit it is: "the client".
  package func excess(of owner: String) -> String? {
    if listByteCount > limit { return "has \(listByteCount) bytes, over \(owner)'s limit of \(limit)" }
    guard omittedByteCount > 0 else { return nil }
    return "has a field of \(omittedByteCount) bytes, over the \(LiteralTrimmer.longestLiteral) that one may have"
  }

  mutating func removeAll() {
    byteCount = 0
    listByteCount = 0
    omittedByteCount = 0
    guard capacity > HeaderBlock.maxKeptCapacity else { return }
    bytes.deallocate()
    capacity = HeaderBlock.firstCapacity
    bytes = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 4)
  }

  mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    let count = name.count &+ value.count
    listByteCount += count + 32
    guard !isTooLarge else { return }
    let end = byteCount + HeaderBlock.lengthsByteCount + count
    if end > capacity { grow(to: end) }
    let field = bytes + byteCount
    field.storeBytes(of: UInt32(truncatingIfNeeded: name.count), as: UInt32.self)
    field.storeBytes(of: UInt32(truncatingIfNeeded: value.count), toByteOffset: 4, as: UInt32.self)
    let text = field + HeaderBlock.lengthsByteCount
    if let start = name.baseAddress { memcpy(text, start, name.count) }
    if let start = value.baseAddress { memcpy(text + name.count, start, value.count) }
    byteCount = end
  }

  /// There were bytes that could not be read.
  mutating func omit(_ count: Int) {
    omittedByteCount = count
    listByteCount += count
  }

  private mutating func grow(to count: Int) {
    capacity = max(capacity * 2, count)
    let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 4)
    memcpy(larger, bytes, byteCount)
    bytes.deallocate()
    bytes = larger
  }

  /// The field that begins at `offset`, 0 for the first one, which becomes the place of the one behind it; nil at the end.
  /// Valid until the block is used again: while `headersReceived` runs.
  @inlinable package borrowing func next(_ offset: inout Int) -> HeaderField? {
    guard offset < byteCount else { return nil }
    let field = HeaderField(bytes + offset)
    offset += field.byteCount
    return field
  }
}

/// A field within a header block.
@usableFromInline package struct HeaderField {
  @usableFromInline package let start: UnsafeRawPointer
  @usableFromInline package let nameCount: Int
  @usableFromInline package let valueCount: Int

  @inlinable package init(_ start: UnsafeRawPointer) {
    self.start = start
    nameCount = Int(start.loadUnaligned(as: UInt32.self))
    valueCount = Int(start.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
  }

  @inlinable package var byteCount: Int { HeaderBlock.lengthsByteCount &+ nameCount &+ valueCount }

  @inlinable package var name: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: start + HeaderBlock.lengthsByteCount, count: nameCount)
  }

  @inlinable package var value: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: start + HeaderBlock.lengthsByteCount + nameCount, count: valueCount)
  }

  /// Lengths, name and value, as they stand in the block.
  @inlinable package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: byteCount) }
}
