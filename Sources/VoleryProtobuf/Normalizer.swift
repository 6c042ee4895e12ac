import CProtobufC
import VoleryTypes

/// Rewrites input that libprotobuf-c can't read, or reads wrongly, into input that it reads right: pieces of a
/// sub-message put together, superseded oneof members dropped, groups given a length, and unknown groups, fields of
/// another wire type and unknown numbers of closed enums put aside.
///
/// What is rewritten is written once, into one buffer and from its end, where it stays. Beside that and the input there are
/// only lists of what the messages around the current one consist of (`MessageParts`), so that depth costs no memory; all of
/// it counts against the limit.
struct Normalizer: ~Copyable {
  /// The field number under which what was put aside travels to the unknown fields: beyond what a .proto or the wire may
  /// have. Groups come after it.
  static let carrierNumber = UInt32(FileTable.firstPrivateNumber)

  private let maximumDepth: Int
  private var budget: MemoryBudget
  private var out: TailBuffer

  /// What a carrier field carries.
  static func carried(_ field: ProtobufCMessageUnknownField) -> UnsafeRawBufferPointer {
    let bytes = UnsafeRawBufferPointer(start: field.data, count: field.len)
    // The library has what follows the tag: a length, too.
    let length = UnknownFields.readVarint(bytes)?.byteCount ?? bytes.count
    return UnsafeRawBufferPointer(rebasing: bytes[length...])
  }

  /// - Parameter memoryLimit: How many bytes the work and its result may take.
  static func normalize(
    _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, maximumDepth: Int,
    memoryLimit: Int
  ) throws(ProtobufError) -> TailBuffer {
    // Mostly what comes out is about as long as what went in.
    let capacity = bytes.count + bytes.count / 8 + 64
    var budget = MemoryBudget(memoryLimit)
    try budget.take(capacity)
    var normalizer = Normalizer(maximumDepth: maximumDepth, budget: budget, out: TailBuffer(capacity: capacity))
    var parts = MessageParts(descriptor, base: bytes.baseAddress)
    try normalizer.read(bytes, into: &parts, depth: 0)
    try normalizer.write(parts, depth: 0)
    return normalizer.finish()
  }

  private init(maximumDepth: Int, budget: MemoryBudget, out: consuming TailBuffer) {
    self.maximumDepth = maximumDepth
    self.budget = budget
    self.out = out
  }

  private consuming func finish() -> TailBuffer { out }

  private mutating func read(
    _ bytes: UnsafeRawBufferPointer, into parts: inout MessageParts, depth: Int
  ) throws(ProtobufError) {
    guard depth <= maximumDepth, !Arena.isStackLow() else { throw .tooDeep(limit: maximumDepth) }
    var reader = WireReader(bytes, maximumDepth: maximumDepth)
    while let field = try reader.next(depth: depth) { try parts.take(field, depth: depth, maximumDepth, &budget) }
  }

  // MARK: Writing, last things first

  private mutating func write(_ parts: borrowing MessageParts, depth: Int) throws(ProtobufError) {
    let end = out.count
    for index in (0..<parts.count).reversed() { try writeAside(parts, index) }
    if out.count > end { try writeHead(Normalizer.carrierNumber, contentFrom: end) }
    for index in (0..<parts.count).reversed() { try writePart(parts, index, depth: depth) }
  }

  private mutating func writePart(
    _ parts: borrowing MessageParts, _ index: Int, depth: Int
  ) throws(ProtobufError) {
    let part = parts[index]
    let end = out.count
    switch part.kind {
    case .raw, .member: try out.prepend(parts.bytes(part), &budget)
    case .numbers:
      let field = parts.field(part)
      try writeNumbers(parts.bytes(part)) {
        field.accepts($0)
      } before: { _, _ throws(ProtobufError) in
      }
      try writeHead(field.id, contentFrom: end)
    case .message:
      try writeMessage(parts, index, depth: depth)
      try writeHead(parts.field(part).id, contentFrom: end)
    case .supersededMessage:
      try writeMessage(parts, index, depth: depth)
      out.removeFirst(out.count - end)
    case .piece, .dropped, .aside, .longTagged, .unknownNumbers: return
    }
  }

  private mutating func writeMessage(
    _ parts: borrowing MessageParts, _ index: Int, depth: Int
  ) throws(ProtobufError) {
    var content = MessageParts(parts.field(parts[index]).message, base: parts.base)
    try readPieces(parts, index, into: &content, depth: depth + 1)
    try write(content, depth: depth + 1)
    budget.give(content.cost)
  }

  /// The pieces of a message, which are linked from the last to the first.
  private mutating func readPieces(
    _ parts: borrowing MessageParts, _ last: Int, into content: inout MessageParts, depth: Int
  ) throws(ProtobufError) {
    guard parts[last].previous != nil else {
      return try read(parts.bytes(parts[last]), into: &content, depth: depth)
    }
    var places: [Int32] = []
    var next: Int32? = Int32(last)
    while let place = next {
      try budget.take(MemoryLayout<Int32>.stride)
      places.append(place)
      next = parts[Int(place)].previous
    }
    for place in places.reversed() { try read(parts.bytes(parts[Int(place)]), into: &content, depth: depth) }
    budget.give(MemoryLayout<Int32>.stride * places.count)
  }

  private mutating func writeAside(_ parts: borrowing MessageParts, _ index: Int) throws(ProtobufError) {
    let part = parts[index]
    switch part.kind {
    case .aside: try out.prepend(parts.bytes(part), &budget)
    case .longTagged:
      // With a tag as short as it can be, as the library has the unknown fields that it reads itself.
      let raw = parts.bytes(part)
      guard let tag = UnknownFields.readVarint(raw) else { return }
      try out.prepend(UnsafeRawBufferPointer(rebasing: raw[tag.byteCount...]), &budget)
      try out.prepend(varint: tag.value, &budget)
    case .unknownNumbers:
      // Each as a field of its own.
      let field = parts.field(part)
      let tag = UInt64(field.id) << 3
      try writeNumbers(parts.bytes(part)) {
        !field.accepts($0)
      } before: { out, budget throws(ProtobufError) in
        try out.prepend(varint: tag, &budget)
      }
    case .raw, .member, .numbers, .message, .supersededMessage, .piece, .dropped: return
    }
  }

  /// Writes those of a packed field's numbers that are wanted, and before each of them what `before` writes.
  private mutating func writeNumbers(
    _ content: UnsafeRawBufferPointer, where isWanted: (UInt64) -> Bool,
    before: (inout TailBuffer, inout MemoryBudget) throws(ProtobufError) -> Void
  ) throws(ProtobufError) {
    var end = content.count
    while end > 0 {
      // The last byte of a number is below 0x80. `MessageParts` has read them all.
      var start = end - 1
      while start > 0, content[start - 1] >= 0x80 { start -= 1 }
      var value: UInt64 = 0
      for index in (start..<end).reversed() { value = value << 7 | UInt64(content[index] & 0x7f) }
      end = start
      guard isWanted(value) else { continue }
      try out.prepend(varint: value, &budget)
      try before(&out, &budget)
    }
  }

  /// The tag and length of what was written since the buffer had so many bytes.
  private mutating func writeHead(_ number: UInt32, contentFrom end: Int) throws(ProtobufError) {
    try out.prepend(varint: UInt64(out.count - end), &budget)
    try out.prepend(varint: UInt64(number) << 3 | 2, &budget)
  }
}

/// Looks for what libprotobuf-c would read wrongly without a sign of it: groups that are known, and numbers that a closed
/// enum does not have (of an enum field that comes twice it keeps the last number, and with it loses an unknown first).
/// Only messages that have such fields somewhere below them are scanned.
enum WireScan {
  /// Whether the bytes have to be rewritten before the library reads them. Throws where they are malformed.
  static func needsRewriting(
    _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, maximumDepth: Int,
    depth: Int = 0
  ) throws(ProtobufError) -> Bool {
    guard depth <= maximumDepth else { throw .tooDeep(limit: maximumDepth) }
    var reader = WireReader(bytes, maximumDepth: maximumDepth)
    while let field = try reader.next(depth: depth) {
      guard let known = descriptor.pointee.field(wireNumber: field.number), known.fits(field.value) else { continue }
      switch field.value {
      case .group: return true
      case .varint(let value): if !known.accepts(value) { return true }
      case .bytes(let content):
        if known.isClosedEnum {
          var elements = WireReader(content, maximumDepth: maximumDepth)
          while let value = try elements.element() { if !known.accepts(value) { return true } }
        } else if known.isMessage, known.message.pointee.needsScan {
          let sub = known.message
          if try needsRewriting(content, sub, maximumDepth: maximumDepth, depth: depth + 1) { return true }
        }
      case .fixed32, .fixed64: break
      }
    }
    return false
  }
}
