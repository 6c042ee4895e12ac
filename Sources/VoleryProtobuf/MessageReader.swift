import CProtobufC

/// Reads the wire format into libprotobuf-c's structs, whatever form it comes in: sub-messages in pieces become one, groups are
/// read as messages, and what a field or a closed enum has no place for stays with the unknown fields. One pass, by the
/// descriptors that the library writes messages by. (Docs/Messages.md says why the library does not read.)
///
/// What the structs point to as texts and bytes are places in the input, which has to live as long as they are read.
struct MessageReader {
  typealias Descriptor = UnsafePointer<ProtobufCMessageDescriptor>
  typealias Field = UnsafePointer<ProtobufCFieldDescriptor>
  /// A place in the input.
  typealias Place = UnsafeRawPointer

  let arena: Unmanaged<Arena>

  /// The outermost message.
  func read(_ bytes: UnsafeRawBufferPointer, _ descriptor: Descriptor) throws(ProtobufError) -> UnsafeMutableRawPointer
  {
    let message = try emptyMessage(descriptor)
    if let start = bytes.baseAddress {
      _ = try read(message, descriptor, start, start + bytes.count, depth: 0, group: 0)
    }
    return message
  }

  func emptyMessage(_ descriptor: Descriptor) throws(ProtobufError) -> UnsafeMutableRawPointer {
    let size = descriptor.pointee.sizeof_message
    let message = try take(size)
    volery_zero(message, size)
    message.storeBytes(of: descriptor, as: Descriptor.self)
    return message
  }

  /// Adds what stands there to the message. Ends at `end`, or behind the end tag of the group with this number; where that is.
  private func read(
    _ message: UnsafeMutableRawPointer, _ descriptor: Descriptor, _ start: Place, _ end: Place, depth: Int,
    group: UInt32
  ) throws(ProtobufError) -> Place {
    var next = start
    // Fields mostly come in the order of their numbers, those of lists many times.
    var likely: Field = descriptor.pointee.fields
    while next < end {
      let fieldStart = next
      let tag: UInt32
      (tag, next) = try self.tag(next, end)
      var field = likely
      if field.pointee.tag != tag {
        guard let other = descriptor.pointee.field(tag: tag) else {
          if tag == group << 3 | WireType.groupEnd, group != 0 { return next }
          next = try readOdd(message, descriptor, tag, fieldStart, next, end, depth)
          continue
        }
        field = other
      }
      let form = field.pointee.form
      if form.shape == .singular {
        likely = field + 1
        let place = message + Int(field.pointee.offset)
        let mark = message + Int(field.pointee.quantifier_offset)
        switch form.kind {
        case .data:
          let data: ProtobufCBinaryData
          (data, next) = try self.data(next, end)
          if mark.load(as: UInt32.self) != 0 { try replace(place, field) }
          place.storeBytes(of: data, as: ProtobufCBinaryData.self)
        case .message, .group:
          let known = place.load(as: UnsafeMutableRawPointer?.self)
          let sub: UnsafeMutableRawPointer
          if let known { sub = known } else { sub = try emptyMessage(field.pointee.message) }
          place.storeBytes(of: sub, as: UnsafeMutableRawPointer.self)
          next = try readMessage(sub, field, next, end, depth)
          continue
        case .closedEnum:
          next = try readClosedEnum(message, field, fieldStart, next, end, depth)
          continue
        default: next = try readNumber(form.kind, place, next, end)
        }
        mark.storeBytes(of: 1, as: UInt32.self)
      } else {
        likely = field
        next = try readElement(message, field, fieldStart, next, end, depth)
      }
    }
    guard group == 0 else { throw .malformed }
    return next
  }

  /// An element of a list, or a member of a oneof.
  @inline(never)
  private func readElement(
    _ message: UnsafeMutableRawPointer, _ field: Field, _ fieldStart: Place, _ start: Place, _ end: Place, _ depth: Int
  ) throws(ProtobufError) -> Place {
    let form = field.pointee.form
    switch form.kind {
    case .data:
      let (data, next) = try self.data(start, end)
      try place(message, field).storeBytes(of: data, as: ProtobufCBinaryData.self)
      return next
    case .message, .group:
      if form.shape == .oneof {
        return try readMessage(try memberMessage(message, field), field, start, end, depth)
      }
      if field.pointee.isMapOfClosedEnum, try isUnknownEntry(field, start, end, depth) {
        return try putAside(message, fieldStart, end, depth)
      }
      let sub = try emptyMessage(field.pointee.message)
      try place(message, field).storeBytes(of: sub, as: UnsafeMutableRawPointer.self)
      return try readMessage(sub, field, start, end, depth)
    case .closedEnum: return try readClosedEnum(message, field, fieldStart, start, end, depth)
    // What stands behind the last field.
    case .none: throw .malformed
    default: return try readNumber(form.kind, try place(message, field), start, end)
    }
  }

  /// Where the field's next value goes.
  @inline(__always)
  private func place(_ message: UnsafeMutableRawPointer, _ field: Field) throws(ProtobufError)
    -> UnsafeMutableRawPointer
  {
    switch field.pointee.form.shape {
    case .singular:
      (message + Int(field.pointee.quantifier_offset)).storeBytes(of: 1, as: UInt32.self)
      return message + Int(field.pointee.offset)
    case .list: return try appended(message, field, 1)
    case .oneof: return try member(message, field)
    }
  }

  /// Of a sub-message or group: what stands within it.
  @inline(__always)
  private func readMessage(
    _ message: UnsafeMutableRawPointer, _ field: Field, _ start: Place, _ end: Place, _ depth: Int
  ) throws(ProtobufError) -> Place {
    let descriptor = field.pointee.message
    // A map's entry is no level of its own.
    let depth = descriptor.pointee.isMapEntry ? depth : depth &+ 1
    try check(depth)
    if field.pointee.isGroup {
      return try read(message, descriptor, start, end, depth: depth, group: UInt32(field.pointee.wireNumber))
    }
    let (content, contentEnd) = try length(start, end)
    return try read(message, descriptor, content, contentEnd, depth: depth, group: 0)
  }

  @inline(__always) private func check(_ depth: Int) throws(ProtobufError) {
    let maximumDepth = arena._withUnsafeGuaranteedRef { $0.maximumDepth }
    if depth > maximumDepth { throw .tooDeep(limit: maximumDepth) }
    try checkStack()
  }

  @inline(__always) func checkStack() throws(ProtobufError) {
    if arena._withUnsafeGuaranteedRef({ $0.isStackLow }) {
      throw .tooDeep(limit: arena._withUnsafeGuaranteedRef { $0.maximumDepth })
    }
  }

  // MARK: Numbers

  /// A number that the enum does not have is an unknown field, as if the field had not come.
  @inline(never)
  private func readClosedEnum(
    _ message: UnsafeMutableRawPointer, _ field: Field, _ fieldStart: Place, _ start: Place, _ end: Place, _ depth: Int
  ) throws(ProtobufError) -> Place {
    let (value, next) = try varint(start, end)
    guard field.pointee.accepts(value) else { return try putAside(message, fieldStart, end, depth) }
    try place(message, field).storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
    return next
  }

  /// Wider numbers than the field's lose their upper bits.
  @inline(__always)
  private func readNumber(
    _ kind: FieldForm.Kind, _ place: UnsafeMutableRawPointer, _ start: Place, _ end: Place
  ) throws(ProtobufError) -> Place {
    switch kind {
    case .fixed32:
      guard end - start >= 4 else { throw .malformed }
      place.storeBytes(of: UInt32(littleEndian: start.loadUnaligned(as: UInt32.self)), as: UInt32.self)
      return start + 4
    case .fixed64:
      guard end - start >= 8 else { throw .malformed }
      place.storeBytes(of: UInt64(littleEndian: start.loadUnaligned(as: UInt64.self)), as: UInt64.self)
      return start + 8
    default:
      let (value, next) = try varint(start, end)
      switch kind {
      case .varint32: place.storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
      case .zigzag32: place.storeBytes(of: VarintCoding.zigzag32(value), as: UInt32.self)
      case .zigzag64: place.storeBytes(of: VarintCoding.zigzag64(value), as: UInt64.self)
      default: place.storeBytes(of: value, as: UInt64.self)
      }
      return next
    }
  }

  // MARK: Wire format

  @inline(__always) private func tag(_ start: Place, _ end: Place) throws(ProtobufError) -> (UInt32, Place) {
    let first = UInt32(start.load(as: UInt8.self))
    if first < 0x80 { return (first, start + 1) }
    if end - start > 1 {
      let second = UInt32(start.load(fromByteOffset: 1, as: UInt8.self))
      if second < 0x80 { return (first & 0x7f | second << 7, start + 2) }
    }
    return try longTag(start, end)
  }

  /// A tag takes 5 bytes at the most, however it is written.
  @inline(never) private func longTag(_ start: Place, _ end: Place) throws(ProtobufError) -> (UInt32, Place) {
    let (tag, next) = try VarintCoding.read(start, end)
    guard tag <= UInt64(UInt32.max), next - start <= 5 else { throw .malformed }
    return (UInt32(tag), next)
  }

  @inline(__always) func varint(_ start: Place, _ end: Place) throws(ProtobufError) -> (UInt64, Place) {
    if start < end {
      let first = start.load(as: UInt8.self)
      if first < 0x80 { return (UInt64(first), start + 1) }
    }
    return try VarintCoding.read(start, end)
  }

  /// Where the content of a field with a length begins and ends.
  @inline(__always) func length(_ start: Place, _ end: Place) throws(ProtobufError) -> (Place, Place) {
    let (length, content) = try varint(start, end)
    guard length <= UInt64(end - content) else { throw .malformed }
    return (content, content + Int(length))
  }

  /// Also counts the bytes: who gets the message has a copy of them.
  @inline(__always) private func data(_ start: Place, _ end: Place) throws(ProtobufError) -> (
    ProtobufCBinaryData, Place
  ) {
    let (content, contentEnd) = try length(start, end)
    let count = contentEnd - content
    try charge(count)
    let bytes = UnsafeMutablePointer(mutating: content.assumingMemoryBound(to: UInt8.self))
    return (ProtobufCBinaryData(len: count, data: bytes), contentEnd)
  }

  // MARK: Memory

  @inline(__always) func take(_ byteCount: Int) throws(ProtobufError) -> UnsafeMutableRawPointer {
    try charge((byteCount &+ 15) & ~15)
    return arena._withUnsafeGuaranteedRef { $0.memory(byteCount) }
  }

  @inline(__always) func charge(_ byteCount: Int) throws(ProtobufError) {
    let isTooMuch = arena._withUnsafeGuaranteedRef { arena in
      arena.memoryLeft &-= byteCount
      return arena.memoryLeft < 0
    }
    if isTooMuch { throw .tooMuchMemory }
  }
}
