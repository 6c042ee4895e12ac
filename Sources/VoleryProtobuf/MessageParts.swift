import CProtobufC
import VoleryTypes

/// What a message on the wire consists of, for the normalizer: which bytes of the input go where.
struct MessageParts: ~Copyable {
  enum Kind: UInt32 {
    /// As it stands: one field, or several in a row.
    case raw
    /// The value of a oneof, as it stands.
    case member
    /// A message: an element of a list, a map's entry, or the last piece of a singular one.
    case message
    /// An earlier piece of a singular message.
    case piece
    /// The numbers of a packed closed enum that it has.
    case numbers
    /// Those that it has not.
    case unknownNumbers
    /// An unknown field, or several in a row.
    case aside
    /// An unknown field whose tag is longer than it need be.
    case longTagged
    /// The value that a oneof had before.
    case dropped
    /// The message that a oneof had before: nobody gets it, but it has to be well-formed.
    case supersededMessage
  }

  /// 16 bytes, because a field of a hostile message may be 2.
  struct Part {
    fileprivate(set) var start: UInt32
    fileprivate(set) var count: UInt32
    private var link: Int32 = -1
    private var kindAndField: UInt32

    fileprivate init(_ kind: Kind, start: Int, count: Int, field: Int) {
      self.start = UInt32(start)
      self.count = UInt32(count)
      kindAndField = kind.rawValue << 28 | UInt32(field)
    }

    fileprivate(set) var kind: Kind {
      get { Kind(rawValue: kindAndField >> 28).unsafelyUnwrapped }
      set { kindAndField = newValue.rawValue << 28 | UInt32(field) }
    }

    /// The index of its field in the descriptor.
    fileprivate var field: Int { Int(kindAndField & (1 << 28 - 1)) }

    /// The place of the piece before.
    fileprivate(set) var previous: Int32? {
      get { link < 0 ? nil : link }
      set { link = newValue ?? -1 }
    }
  }

  /// What is set of a oneof.
  private struct Member {
    var field: Int
    /// Where it stands, unless it is a message.
    var place: Int?
  }

  private let descriptor: UnsafePointer<ProtobufCMessageDescriptor>
  /// The start of the outermost message.
  let base: UnsafeRawPointer?
  private var parts: [Part] = []
  /// The last piece of each singular message, by the index of its field.
  private var lastPieces: [Int: Int] = [:]
  /// By the offset of its case.
  private var oneofs: [UInt32: Member] = [:]

  init(_ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, base: UnsafeRawPointer?) {
    self.descriptor = descriptor
    self.base = base
  }

  var count: Int { parts.count }

  subscript(index: Int) -> Part { parts[index] }

  func field(_ part: Part) -> ProtobufCFieldDescriptor { descriptor.pointee.fields[part.field] }

  func bytes(_ part: Part) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base.map { $0 + Int(part.start) }, count: Int(part.count))
  }

  /// What was taken of the budget.
  var cost: Int { MessageParts.costOfPart * parts.count }

  // MARK: Reading

  mutating func take(
    _ field: WireReader.Field, depth: Int, _ maximumDepth: Int, _ budget: inout MemoryBudget
  ) throws(ProtobufError) {
    guard let index = descriptor.pointee.fieldIndex(wireNumber: field.number),
      descriptor.pointee.fields[index].fits(field.value)
    else { return try putAside(field, &budget) }
    let known = descriptor.pointee.fields[index]
    switch field.value {
    case .varint(let value) where !known.accepts(value):
      // As if the field had not come: a oneof keeps the member that it had.
      try putAside(field, &budget)
    case .bytes(let content) where known.isClosedEnum: try takeNumbers(content, known, index, &budget)
    case .bytes(let content) where known.isMessage && known.message.pointee.isMapEntry:
      // A map has no place for a number that its enum does not have: then the whole entry is unknown.
      if try MessageParts.hasUnknownNumber(content, known.message, depth: depth + 1, maximumDepth) {
        try putAside(field, &budget)
      } else {
        try append(.message, content, index, &budget)
      }
    case .bytes(let content) where known.isMessage, .group(let content):
      try takeMessage(content, known, index, &budget)
    case .bytes(let content) where known.isString && !_isUTF8(UnsafeBufferPointer(content)):
      // Also one that a later value replaces, which nobody else would see.
      throw .invalidUTF8
    case .bytes(let content) where known.type != PROTOBUF_C_TYPE_BYTES:
      // A packed list. The library looks, too, but not at what nobody gets.
      try MessageParts.check(packed: content, known.type)
      try append(.raw, field.raw, 0, &budget)
    case .varint, .bytes, .fixed32, .fixed64:
      guard known.isOneof else { return try append(.raw, field.raw, 0, &budget) }
      enterOneof(known, index, &budget)
      // Only the last value of a oneof counts.
      if let place = oneofs[known.quantifier_offset]?.place { drop(place, &budget) }
      oneofs[known.quantifier_offset]?.place = parts.count
      try append(.member, field.raw, index, &budget)
    }
  }

  private mutating func putAside(_ field: WireReader.Field, _ budget: inout MemoryBudget) throws(ProtobufError) {
    let shortest = UnknownFields.varintByteCount(UInt64(field.number) << 3)
    try append(field.tagByteCount > shortest ? .longTagged : .aside, field.raw, 0, &budget)
  }

  private mutating func takeMessage(
    _ content: UnsafeRawBufferPointer, _ known: ProtobufCFieldDescriptor, _ index: Int, _ budget: inout MemoryBudget
  ) throws(ProtobufError) {
    if known.isOneof { enterOneof(known, index, &budget) }
    guard !known.isRepeated else { return try append(.message, content, index, &budget) }
    let previous = lastPieces[index]
    if let previous {
      // An empty piece adds nothing.
      guard content.count > 0 else { return }
      parts[previous].kind = .piece
    }
    lastPieces[index] = parts.count
    try append(.message, content, index, &budget)
    parts[parts.count - 1].previous = previous.map(Int32.init)
  }

  private mutating func takeNumbers(
    _ content: UnsafeRawBufferPointer, _ known: ProtobufCFieldDescriptor, _ index: Int, _ budget: inout MemoryBudget
  ) throws(ProtobufError) {
    var hasUnknown = false
    var reader = WireReader(content)
    while let value = try reader.element() { if !known.accepts(value) { hasUnknown = true } }
    try append(.numbers, content, index, &budget)
    if hasUnknown { try append(.unknownNumbers, content, index, &budget) }
  }

  private static func check(packed content: UnsafeRawBufferPointer, _ type: ProtobufCType) throws(ProtobufError) {
    switch type {
    case PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_SFIXED32, PROTOBUF_C_TYPE_FLOAT:
      guard content.count % 4 == 0 else { throw .malformed }
    case PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_DOUBLE:
      guard content.count % 8 == 0 else { throw .malformed }
    default:
      var reader = WireReader(content)
      while try reader.element() != nil {}
    }
  }

  private static func hasUnknownNumber(
    _ entry: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, depth: Int,
    _ maximumDepth: Int
  ) throws(ProtobufError) -> Bool {
    var reader = WireReader(entry, maximumDepth: maximumDepth)
    var isUnknown = false
    while let field = try reader.next(depth: depth) {
      if case .varint(let value) = field.value,
        let known = descriptor.pointee.field(wireNumber: field.number), !known.accepts(value)
      {
        isUnknown = true
      }
    }
    return isUnknown
  }

  /// Another member of the oneof takes the place of the former one.
  private mutating func enterOneof(_ known: ProtobufCFieldDescriptor, _ index: Int, _ budget: inout MemoryBudget) {
    let current = oneofs[known.quantifier_offset]
    guard current?.field != index else { return }
    if let current {
      if let place = current.place { drop(place, &budget) }
      if let place = lastPieces.removeValue(forKey: current.field) { parts[place].kind = .supersededMessage }
    }
    oneofs[known.quantifier_offset] = Member(field: index)
  }

  private mutating func drop(_ place: Int, _ budget: inout MemoryBudget) {
    if place < parts.count - 1 {
      parts[place].kind = .dropped
      return
    }
    parts.removeLast()
    budget.give(MessageParts.costOfPart)
  }

  /// What a part takes, at the most: an array has up to twice as much memory as it needs.
  private static let costOfPart = 2 * MemoryLayout<Part>.stride

  /// Adds a part, or makes the last one longer where both are fields that stay as they are, one behind the other.
  private mutating func append(
    _ kind: Kind, _ bytes: UnsafeRawBufferPointer, _ field: Int, _ budget: inout MemoryBudget
  ) throws(ProtobufError) {
    var start = 0
    if let base, let first = bytes.baseAddress { start = first - base }
    if kind == .raw || kind == .aside, let last = parts.last, last.kind == kind, Int(last.start + last.count) == start {
      parts[parts.count - 1].count += UInt32(bytes.count)
      return
    }
    try budget.take(MessageParts.costOfPart)
    parts.append(Part(kind, start: start, count: bytes.count, field: field))
  }
}
