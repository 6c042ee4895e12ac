import CProtobufC
import VoleryTypes

/// Rewrites input that libprotobuf-c can't read, or reads wrongly, into input that it reads right: pieces of a
/// sub-message put together, superseded oneof members dropped, groups given a length, and unknown groups, fields of
/// another wire type and unknown numbers of closed enums put aside.
struct Normalizer {
  /// The field number under which what was put aside travels to the unknown fields: beyond what a .proto or the wire may
  /// have. Groups come after it.
  static let carrierNumber = UInt32(FileTable.firstPrivateNumber)

  let maximumDepth: Int

  /// What a carrier field carries.
  static func carried(_ field: ProtobufCMessageUnknownField) -> [UInt8] {
    let bytes = Array(UnsafeBufferPointer(start: field.data, count: field.len))
    guard let (_, length) = UnknownFields.readVarint(bytes[...]) else { return [] }
    return Array(bytes.dropFirst(length))
  }

  func normalize(
    _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, depth: Int = 0
  ) throws(ProtobufError) -> [UInt8] {
    try rewrite(bytes, descriptor, depth: depth).bytes
  }

  fileprivate struct Rewritten {
    var bytes: [UInt8]
    /// A number that a closed enum does not have was put aside.
    var hasUnknownEnum: Bool
  }

  fileprivate func rewrite(
    _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, depth: Int
  ) throws(ProtobufError) -> Rewritten {
    guard depth <= maximumDepth, !Arena.isStackLow() else { throw .tooDeep(limit: maximumDepth) }
    var rewriter = Rewriter(descriptor, self)
    var reader = WireReader(bytes, maximumDepth: maximumDepth)
    while let field = try reader.next(depth: depth) { try rewriter.take(field, depth: depth) }
    return try rewriter.finish(depth: depth)
  }
}

/// Collects a message's fields, then writes them.
private struct Rewriter {
  private enum Part {
    case raw(UnsafeRawBufferPointer)
    /// Numbers of a packed field without those that were put aside, or the entry of a map.
    case content(ProtobufCFieldDescriptor, [UInt8])
    /// A singular sub-message: the pieces of `number` stand in `pieces`.
    case merged(ProtobufCFieldDescriptor)
    case element(ProtobufCFieldDescriptor, UnsafeRawBufferPointer)
  }

  /// What is set of a oneof, and where it stands.
  private struct Member {
    let id: UInt32
    var places: [Int] = []
  }

  private let descriptor: UnsafePointer<ProtobufCMessageDescriptor>
  private let normalizer: Normalizer
  private var parts: [Part?] = []
  private var pieces: [UInt32: [UInt8]] = [:]
  /// The current member of each oneof, by the offset of its case.
  private var oneofs: [UInt32: Member] = [:]
  private var aside: [UInt8] = []
  private var hasUnknownEnum = false

  init(_ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, _ normalizer: Normalizer) {
    self.descriptor = descriptor
    self.normalizer = normalizer
  }

  mutating func take(_ field: WireReader.Field, depth: Int) throws(ProtobufError) {
    guard let known = descriptor.pointee.field(wireNumber: field.number), known.fits(field.value) else {
      return putAside(field)
    }
    switch field.value {
    case .varint(let value) where !known.accepts(value):
      // As if the field had not come: a oneof keeps the member that it had.
      hasUnknownEnum = true
      putAside(field)
    case .bytes(let content) where known.isClosedEnum:
      parts.append(.content(known, try takePacked(content, known)))
    case .bytes(let content) where known.isMessage && known.message.pointee.isMapEntry:
      let entry = try normalizer.rewrite(content, known.message, depth: depth + 1)
      guard entry.hasUnknownEnum else { return parts.append(.content(known, entry.bytes)) }
      // A map has no place for it: the whole entry is unknown.
      putAside(field)
    case .bytes(let content) where known.isMessage, .group(let content):
      takeMessage(content, known)
    case .bytes(let content) where known.isString && !_isUTF8(UnsafeBufferPointer(content)):
      // Also one that a later value replaces, which nobody else would see.
      throw .invalidUTF8
    case .varint, .bytes, .fixed32, .fixed64:
      if known.isOneof { enterOneof(known) }
      place(.raw(field.raw), known)
    }
  }

  /// With a tag as short as it can be, as the library has the unknown fields that it reads itself.
  private mutating func putAside(_ field: WireReader.Field) {
    UnknownFields.appendVarint(UInt64(field.number) << 3 | UInt64(field.raw[0] & 7), to: &aside)
    aside.append(contentsOf: field.raw[field.tagByteCount...])
  }

  private mutating func takeMessage(
    _ content: UnsafeRawBufferPointer, _ known: ProtobufCFieldDescriptor
  ) {
    if known.isOneof { enterOneof(known) }
    if known.isRepeated {
      parts.append(.element(known, content))
    } else if pieces[known.id] != nil {
      pieces[known.id]!.append(contentsOf: UnsafeBufferPointer(content))
    } else {
      pieces[known.id] = Array(UnsafeBufferPointer(content))
      place(.merged(known), known)
    }
  }

  /// The numbers that the enum has; each other one goes aside as a field of its own.
  private mutating func takePacked(
    _ content: UnsafeRawBufferPointer, _ known: ProtobufCFieldDescriptor
  ) throws(ProtobufError) -> [UInt8] {
    var kept: [UInt8] = []
    var reader = WireReader(content)
    while let value = try reader.element() {
      if known.accepts(value) {
        UnknownFields.appendVarint(value, to: &kept)
      } else {
        hasUnknownEnum = true
        UnknownFields.appendVarint(UInt64(known.id) << 3, to: &aside)
        UnknownFields.appendVarint(value, to: &aside)
      }
    }
    return kept
  }

  private mutating func place(_ part: Part, _ known: ProtobufCFieldDescriptor) {
    if known.isOneof { oneofs[known.quantifier_offset]?.places.append(parts.count) }
    parts.append(part)
  }

  /// Another member of the oneof takes the place of the former one.
  private mutating func enterOneof(_ known: ProtobufCFieldDescriptor) {
    let current = oneofs[known.quantifier_offset]
    guard current?.id != known.id else { return }
    if let current {
      for place in current.places { parts[place] = nil }
      pieces[current.id] = nil
    }
    oneofs[known.quantifier_offset] = Member(id: known.id)
  }

  // MARK: Writing

  mutating func finish(depth: Int) throws(ProtobufError) -> Normalizer.Rewritten {
    var out: [UInt8] = []
    for part in parts {
      switch part {
      case nil: continue
      case .raw(let raw)?: out.append(contentsOf: UnsafeBufferPointer(raw))
      case .content(let field, let content)?: append(field.id, content, to: &out)
      case .element(let field, let content)?:
        append(field.id, try normalizer.normalize(content, field.message, depth: depth + 1), to: &out)
      case .merged(let field)?:
        append(field.id, try rewriteMerged(field, depth: depth), to: &out)
      }
    }
    if !aside.isEmpty { append(Normalizer.carrierNumber, aside, to: &out) }
    return Normalizer.Rewritten(bytes: out, hasUnknownEnum: hasUnknownEnum)
  }

  private func rewriteMerged(_ field: ProtobufCFieldDescriptor, depth: Int) throws(ProtobufError) -> [UInt8] {
    let content = pieces[field.id] ?? []
    return try content.span.bytes.withUnsafeBytes { (content) throws(ProtobufError) in
      try normalizer.normalize(content, field.message, depth: depth + 1)
    }
  }

  private func append(_ number: UInt32, _ content: [UInt8], to out: inout [UInt8]) {
    UnknownFields.appendVarint(UInt64(number) << 3 | 2, to: &out)
    UnknownFields.appendVarint(UInt64(content.count), to: &out)
    out += content
  }
}
