import CProtobufC

// Repeated fields: a count in the struct, and a pointer to the elements.

extension MessageReader {
  /// In front of a list's elements, how many there is room for; 16 bytes, by which elements are aligned.
  private static let listHeaderByteCount = 16
  private static let firstListCapacity = 4

  /// Room for so many more elements of a list, which counts them already.
  @inline(__always)
  func appended(_ message: UnsafeMutableRawPointer, _ field: Field, _ number: Int) throws(ProtobufError)
    -> UnsafeMutableRawPointer
  {
    let counter = message + Int(field.pointee.quantifier_offset)
    let count = counter.load(as: Int.self)
    let size = field.pointee.elementByteCount
    var elements = (message + Int(field.pointee.offset)).load(as: UnsafeMutableRawPointer?.self)
    let capacity = elements.map { ($0 - MessageReader.listHeaderByteCount).load(as: Int.self) } ?? 0
    if capacity &- count < number { elements = try grow(message, field, count, capacity, number) }
    counter.storeBytes(of: count &+ number, as: Int.self)
    return elements.unsafelyUnwrapped + count &* size
  }

  @inline(never)
  private func grow(
    _ message: UnsafeMutableRawPointer, _ field: Field, _ count: Int, _ capacity: Int, _ number: Int
  ) throws(ProtobufError) -> UnsafeMutableRawPointer {
    let size = field.pointee.elementByteCount
    let least = number == 1 ? MessageReader.firstListCapacity : number
    let larger = max(count &+ least, 2 &* capacity)
    let memory = try take(larger &* size &+ MessageReader.listHeaderByteCount)
    memory.storeBytes(of: larger, as: Int.self)
    let elements = memory + MessageReader.listHeaderByteCount
    let place = message + Int(field.pointee.offset)
    if let old = place.load(as: UnsafeMutableRawPointer?.self) {
      elements.copyMemory(from: old, byteCount: count &* size)
    }
    place.storeBytes(of: elements, as: UnsafeMutableRawPointer.self)
    return elements
  }

  /// The numbers of a packed list; it may come in several pieces.
  func readPacked(_ message: UnsafeMutableRawPointer, _ field: Field, _ content: UnsafeRawBufferPointer)
    throws(ProtobufError)
  {
    guard let start = content.baseAddress, content.count > 0 else { return }
    let kind = field.pointee.form.kind
    if kind == .closedEnum { return try readPackedEnum(message, field, content) }
    if kind == .fixed32 || kind == .fixed64 {
      let size = field.pointee.elementByteCount
      guard content.count % size == 0 else { throw .malformed }
      return try appended(message, field, content.count / size).copyMemory(from: start, byteCount: content.count)
    }
    let count = VarintCoding.count(content)
    guard count > 0 else { throw .malformed }
    let place = try appended(message, field, count)
    let isWellFormed =
      switch kind {
      case .varint32: VarintCoding.read(content, place) { UInt32(truncatingIfNeeded: $0) }
      case .zigzag32: VarintCoding.read(content, place) { VarintCoding.zigzag32($0) }
      case .zigzag64: VarintCoding.read(content, place) { VarintCoding.zigzag64($0) }
      default: VarintCoding.read(content, place) { $0 }
      }
    guard isWellFormed else { throw .malformed }
  }

  /// Each number that the enum does not have becomes an unknown field of its own.
  private func readPackedEnum(_ message: UnsafeMutableRawPointer, _ field: Field, _ content: UnsafeRawBufferPointer)
    throws(ProtobufError)
  {
    var reader = WireReader(content)
    var unknown: [UInt8] = []
    while let value = try reader.element() {
      if field.pointee.accepts(value) {
        try appended(message, field, 1).storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
      } else {
        UnknownFields.appendVarint(UInt64(field.pointee.id) << 3, to: &unknown)
        UnknownFields.appendVarint(value, to: &unknown)
      }
    }
    try putAside(message, copyOf: unknown)
  }
}
