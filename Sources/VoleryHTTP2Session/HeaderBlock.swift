import CNGHTTP2
import VoleryPlatform

/// A received header block: its fields one after another in one flat buffer that is used again for the next block.
///
/// A field is the length of its name and of its value (UInt32 each, native order), then the bytes of both. Fields that
/// follow one another may be copied in one piece.
///
/// The requests of a connection begin alike: a server's block stays as it is until the next one, which writes only what is
/// not the same, and says what that is (`changes`).
public struct HeaderBlock: ~Copyable {
  package let limit: Int
  /// Points nowhere before the first field: a connection without a call has no block.
  @usableFromInline package private(set) var bytes = UnsafeMutableRawPointer(bitPattern: 16)!
  @usableFromInline package private(set) var byteCount = 0
  private var capacity = 0
  /// Of the whole block, by RFC 9113's count, what is not here included.
  package private(set) var listByteCount = 0
  private var omittedByteCount = 0
  /// One more for each block.
  package private(set) var number = 0
  private let remembers: Bool
  private var known = KnownFields()
  private var fieldCount = 0
  /// A bit for each field that has another value than in the block before.
  private var changedFields: UInt32 = 0
  /// It has not the names of the block before.
  private var isOther = true
  private static let firstCapacity = 512
  /// A buffer that has become larger than this is not kept for the next block.
  private static let maxKeptCapacity = 64 << 10
  /// In front of a name: both lengths.
  @usableFromInline package static let lengthsByteCount = 8
  /// What a field counts besides its name and value (RFC 9113, 6.5.2).
  private static let fieldByteCount = 32
  /// Fields are moved for one before them only within so many bytes.
  private static let maxMovedByteCount = 4 << 10

  /// - Parameters:
  ///   - limit: Names, values and 32 bytes for each field (RFC 9113, 6.5.2); at most 2 GiB.
  ///   - remembers: The next block is likely to be nearly the same.
  init(limit: Int, remembers: Bool) {
    self.limit = min(limit, 1 << 31)
    self.remembers = remembers
  }

  deinit { if capacity > 0 { bytes.deallocate() } }

  /// The block is larger than the limit: what came after the limit is not here.
  package var isTooLarge: Bool { listByteCount > limit || omittedByteCount > 0 }

  /// It is still there after `removeAll`.
  var isKept: Bool { capacity <= HeaderBlock.maxKeptCapacity }

  /// In words, by how much it is larger; nil when it is not.
  ///
  /// - Parameter owner: Whose limit it is: "the client".
  package func excess(of owner: String) -> String? {
    if listByteCount > limit { return "has \(listByteCount) bytes, over \(owner)'s limit of \(limit)" }
    guard omittedByteCount > 0 else { return nil }
    return "has a field of \(omittedByteCount) bytes, over the \(LiteralTrimmer.longestLiteral) that one may have"
  }

  /// Which fields have another value than in the block with this number, a bit for each place; nil where that is not the block
  /// before, or has other names.
  package borrowing func changes(since other: Int) -> UInt32? {
    other &+ 1 == number && !isOther && fieldCount == known.count && !isTooLarge ? changedFields : nil
  }

  /// The field at this place of a block whose `changes` are known.
  package borrowing func field(_ index: Int) -> HeaderField {
    HeaderField(bytes + (index > 0 ? known[index &- 1].end : 0))
  }

  mutating func removeAll() {
    isOther = fieldCount > known.count || isTooLarge
    if fieldCount < known.count { known.removeAll(from: fieldCount) }
    number &+= 1
    fieldCount = 0
    changedFields = 0
    byteCount = 0
    listByteCount = 0
    omittedByteCount = 0
    guard capacity > HeaderBlock.maxKeptCapacity else { return }
    known.removeAll(from: 0)
    bytes.deallocate()
    capacity = 0
  }

  /// After `removeAll`: the block that comes now begins with so many fields of the one that was here, which end there.
  mutating func comesAgain(_ count: Int, end: Int) {
    fieldCount = count
    byteCount = end
    listByteCount = end &+ count &* (HeaderBlock.fieldByteCount &- HeaderBlock.lengthsByteCount)
  }

  /// What is here is not needed any more, and another block may be long in coming.
  mutating func letGo() {
    guard capacity > 0 else { return }
    known.removeAll(from: 0)
    isOther = true
    bytes.deallocate()
    capacity = 0
    byteCount = 0
  }

  /// A field as nghttp2 has it.
  @inline(__always)
  mutating func append(_ name: OpaquePointer, _ value: OpaquePointer) {
    if fieldCount < known.count {
      let field = known[fieldCount]
      if field.name == name, field.value == value { return keep(end: field.end) }
    }
    receive(name, value)
  }

  /// The field that stands here already.
  @inline(__always)
  private mutating func keep(end: Int) {
    guard count(end &- byteCount &- HeaderBlock.lengthsByteCount) else { return }
    fieldCount &+= 1
    byteCount = end
  }

  /// Counts a name and a value of so many bytes; false: they are too much.
  @inline(__always)
  private mutating func count(_ byteCount: Int) -> Bool {
    listByteCount &+= byteCount &+ HeaderBlock.fieldByteCount
    return !isTooLarge
  }

  private mutating func receive(_ name: OpaquePointer, _ value: OpaquePointer) {
    let (nameBytes, valueBytes) = (HeaderBlock.bytes(of: name), HeaderBlock.bytes(of: value))
    if fieldCount < known.count, !isTooLarge {
      let old = HeaderField(bytes + byteCount)
      if old.name.equals(nameBytes) {
        if old.value.equals(valueBytes) { return keep(end: known[fieldCount].end) }
        if known.end <= HeaderBlock.maxMovedByteCount, valueBytes.count <= HeaderBlock.maxMovedByteCount {
          return replace(old, name, value, valueBytes)
        }
      }
    }
    let index = fieldCount
    append(nameBytes, valueBytes)
    if remembers, index == known.count, fieldCount > index { known.append(name, value, end: byteCount) }
  }

  private static func bytes(of buffer: OpaquePointer) -> UnsafeRawBufferPointer {
    let vector = nghttp2_rcbuf_get_buf(buffer)
    return UnsafeRawBufferPointer(start: vector.base, count: vector.len)
  }

  /// The field that stands here has another value, which moves those behind it.
  private mutating func replace(
    _ old: HeaderField, _ name: OpaquePointer, _ value: OpaquePointer, _ valueBytes: UnsafeRawBufferPointer
  ) {
    guard count(old.nameCount + valueBytes.count) else { return }
    let (end, distance) = (known[fieldCount].end, valueBytes.count - old.valueCount)
    let knownEnd = known.end
    if knownEnd + distance > capacity { grow(to: knownEnd + distance, keeping: knownEnd) }
    if distance != 0 { memmove(bytes + (end + distance), bytes + end, knownEnd - end) }
    let field = bytes + byteCount
    field.storeBytes(of: UInt32(truncatingIfNeeded: valueBytes.count), toByteOffset: 4, as: UInt32.self)
    if let start = valueBytes.baseAddress {
      memcpy(field + (HeaderBlock.lengthsByteCount + old.nameCount), start, valueBytes.count)
    }
    known.replace(fieldCount, name, value, movedBy: distance)
    changedFields |= 1 << UInt32(truncatingIfNeeded: fieldCount)
    fieldCount += 1
    byteCount = end + distance
  }

  mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    isOther = true
    if fieldCount < known.count { known.removeAll(from: fieldCount) }
    let count = name.count &+ value.count
    guard self.count(count) else { return }
    let end = byteCount + HeaderBlock.lengthsByteCount + count
    if end > capacity { grow(to: end, keeping: byteCount) }
    let field = bytes + byteCount
    field.storeBytes(of: UInt32(truncatingIfNeeded: name.count), as: UInt32.self)
    field.storeBytes(of: UInt32(truncatingIfNeeded: value.count), toByteOffset: 4, as: UInt32.self)
    let text = field + HeaderBlock.lengthsByteCount
    if let start = name.baseAddress { memcpy(text, start, name.count) }
    if let start = value.baseAddress { memcpy(text + name.count, start, value.count) }
    fieldCount &+= 1
    byteCount = end
  }

  /// There were bytes that could not be read.
  mutating func omit(_ count: Int) {
    omittedByteCount = count
    listByteCount += count
  }

  private mutating func grow(to count: Int, keeping kept: Int) {
    let larger = max(HeaderBlock.firstCapacity, capacity * 2, count)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 4)
    if capacity > 0 {
      memcpy(memory, bytes, kept)
      bytes.deallocate()
    }
    bytes = memory
    capacity = larger
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

extension UnsafeRawBufferPointer {
  fileprivate func equals(_ other: UnsafeRawBufferPointer) -> Bool {
    guard count == other.count else { return false }
    guard count > 0, let start = baseAddress, let otherStart = other.baseAddress else { return true }
    return memcmp(start, otherStart, count) == 0
  }
}
