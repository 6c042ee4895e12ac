import VoleryTypes

/// Bytes that are written from the last to the first: what stands before a message on the wire is its length, which is known
/// once the message is written.
struct TailBuffer: ~Copyable {
  private var memory: UnsafeMutableRawPointer
  private(set) var capacity: Int
  /// Where the bytes begin; they end with the memory.
  private var start: Int

  init(capacity: Int) {
    self.capacity = max(64, capacity)
    memory = .allocate(byteCount: self.capacity, alignment: 1)
    start = self.capacity
  }

  deinit { memory.deallocate() }

  var count: Int { capacity - start }

  /// Valid until the next byte is written, and as long as this.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory + start, count: count) }

  /// Puts bytes before all that is there. `budget` pays for more memory.
  mutating func prepend(_ bytes: UnsafeRawBufferPointer, _ budget: inout MemoryBudget) throws(ProtobufError) {
    guard let base = bytes.baseAddress, bytes.count > 0 else { return }
    if start < bytes.count { try grow(bytes.count, &budget) }
    start -= bytes.count
    (memory + start).copyMemory(from: base, byteCount: bytes.count)
  }

  mutating func prepend(varint: UInt64, _ budget: inout MemoryBudget) throws(ProtobufError) {
    let longest = 10
    if start < longest { try grow(longest, &budget) }
    var length = 1
    while length < longest, varint >> UInt64(7 * length) != 0 { length += 1 }
    start -= length
    for index in 0..<length {
      let byte = UInt8(truncatingIfNeeded: varint >> UInt64(7 * index)) & 0x7f
      memory.storeBytes(of: index + 1 < length ? byte | 0x80 : byte, toByteOffset: start + index, as: UInt8.self)
    }
  }

  /// As if so many bytes had not been written.
  mutating func removeFirst(_ count: Int) { start += count }

  @inline(never) private mutating func grow(_ needed: Int, _ budget: inout MemoryBudget) throws(ProtobufError) {
    let larger = max(2 * capacity, count + needed)
    try budget.take(larger - capacity)
    let new = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 1)
    (new + larger - count).copyMemory(from: memory + start, byteCount: count)
    memory.deallocate()
    start = larger - count
    memory = new
    capacity = larger
  }
}

/// How much memory may still be taken.
struct MemoryBudget {
  private(set) var left: Int

  init(_ byteCount: Int) { left = byteCount }

  mutating func take(_ byteCount: Int) throws(ProtobufError) {
    left -= byteCount
    guard left >= 0 else { throw .tooMuchMemory }
  }

  mutating func give(_ byteCount: Int) { left += byteCount }
}
