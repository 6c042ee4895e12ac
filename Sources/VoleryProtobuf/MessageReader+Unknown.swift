import CProtobufC
import VoleryTypes

// What has no place in the message.

extension MessageReader {
  /// A packed list; a field that is unknown, or known with another wire type.
  @inline(never)
  func readOdd(
    _ message: UnsafeMutableRawPointer, _ descriptor: Descriptor, _ tag: UInt32, _ fieldStart: Place, _ start: Place,
    _ end: Place, _ depth: Int
  ) throws(ProtobufError) -> Place {
    if tag & 7 == WireType.length, let field = descriptor.pointee.field(id: tag >> 3), field.pointee.isPackable {
      let (content, contentEnd) = try length(start, end)
      try readPacked(message, field, UnsafeRawBufferPointer(start: content, count: contentEnd - content))
      return contentEnd
    }
    return try putAside(message, fieldStart, end, depth)
  }

  /// A map has no place for a number that its enum does not have: then the whole entry is unknown.
  func isUnknownEntry(_ field: Field, _ start: Place, _ end: Place, _ depth: Int) throws(ProtobufError) -> Bool {
    let (content, contentEnd) = try length(start, end)
    let value = field.pointee.message.pointee.fields + 1
    var reader = WireReader(
      UnsafeRawBufferPointer(start: content, count: contentEnd - content),
      maximumDepth: arena._withUnsafeGuaranteedRef { $0.maximumDepth })
    var isUnknown = false
    while let entry = try reader.next(depth: depth) {
      if case .varint(let number) = entry.value, entry.number == Int(value.pointee.id), !value.pointee.accepts(number) {
        isUnknown = true
      }
    }
    return isUnknown
  }

  /// Keeps the field that starts there, whatever it is, with the unknown ones; where it ends.
  func putAside(
    _ message: UnsafeMutableRawPointer, _ start: Place, _ end: Place, _ depth: Int
  ) throws(ProtobufError) -> Place {
    var reader = WireReader(
      UnsafeRawBufferPointer(start: start, count: end - start),
      maximumDepth: arena._withUnsafeGuaranteedRef { $0.maximumDepth })
    guard let field = try reader.next(depth: depth) else { throw .malformed }
    let tag = UInt64(UInt32(field.number)) << 3 | UInt64(field.value.wireType)
    if field.tagByteCount > UnknownFields.varintByteCount(tag) {
      // As short as it can be: as it is written elsewhere.
      var shortest: [UInt8] = []
      UnknownFields.appendVarint(tag, to: &shortest)
      try putAside(message, copyOf: shortest)
      try putAside(message, UnsafeRawBufferPointer(rebasing: field.raw[field.tagByteCount...]))
    } else {
      try putAside(message, field.raw)
    }
    return start + field.raw.count
  }

  func putAside(_ message: UnsafeMutableRawPointer, copyOf bytes: [UInt8]) throws(ProtobufError) {
    guard !bytes.isEmpty else { return }
    let memory = UnsafeMutableRawBufferPointer(start: try take(bytes.count), count: bytes.count)
    memory.copyBytes(from: bytes)
    try putAside(message, UnsafeRawBufferPointer(memory))
  }

  /// Adds a piece to the message's unknown fields, or makes the last one longer where this one follows it.
  private func putAside(_ message: UnsafeMutableRawPointer, _ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    guard let start = bytes.baseAddress else { return }
    try charge(bytes.count)
    let list = UnknownPieces(message)
    if let last = list.last, let lastStart = last.baseAddress, lastStart + last.count == start {
      list.last = UnsafeRawBufferPointer(start: lastStart, count: last.count + bytes.count)
      return
    }
    if let capacity = list.capacityWhenFull {
      list.move(to: try take(capacity &* MemoryLayout<UnsafeRawBufferPointer>.stride))
    }
    list.append(UnsafeRawBufferPointer(start: start, count: bytes.count))
  }
}
