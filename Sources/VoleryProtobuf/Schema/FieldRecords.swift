/// The fields of a message's bytes, by its schema: sorted by number, the last member of a oneof only, and no field without
/// presence that has its zero.
struct FieldRecords {
  struct Record {  // Isolation: constant
    unowned(unsafe) let field: FieldSchema
    let value: WireReader.Value
  }

  private(set) var records: [Record] = []
  /// What the schema does not know, and what has another wire type.
  private(set) var unknown: [WireReader.Field] = []

  init(
    _ bytes: UnsafeRawBufferPointer, _ schema: MessageSchema, _ extensions: inout ExtensionTable, depth: Int
  ) throws(ProtobufError) {
    var reader = WireReader(bytes)
    var isSorted = true
    var hasOneofs = false
    while let field = try reader.next(depth: depth) {
      let known =
        schema.field(numbered: field.number) ?? extensions.field(of: schema.fullName, numbered: field.number)
      guard let known, known.accepts(field.value), try !known.isUnknownEntry(field.value) else {
        unknown.append(field)
        continue
      }
      if let last = records.last, last.field.number > known.number { isSorted = false }
      if known.oneof != nil { hasOneofs = true }
      records.append(Record(field: known, value: field.value))
    }
    if hasOneofs { keepLastOfOneofs() }
    if !isSorted {
      records = records.enumerated().sorted {
        ($0.element.field.number, $0.offset) < ($1.element.field.number, $1.offset)
      }.map(\.element)
    }
  }

  /// Whether the field says nothing with this value.
  private static func isAbsent(_ field: FieldSchema, _ value: WireReader.Value) -> Bool {
    guard !field.hasPresence, !field.isRepeated, !field.kind.isMessage else { return false }
    return switch field.scalar(value) {
    case .signed(let number): number == 0
    case .unsigned(let number): number == 0
    case .float(let number): number.bitPattern == 0
    case .double(let number): number.bitPattern == 0
    case .bool(let isTrue): !isTrue
    case .enumeration(let number): number == 0
    case .string(let content), .bytes(let content): content.isEmpty
    }
  }

  private mutating func keepLastOfOneofs() {
    var last: [Int: Int] = [:]
    var isAmbiguous = false
    for record in records {
      guard let oneof = record.field.oneof else { continue }
      if let before = last.updateValue(record.field.number, forKey: oneof), before != record.field.number {
        isAmbiguous = true
      }
    }
    guard isAmbiguous else { return }
    records.removeAll { record in record.field.oneof.map { last[$0] != record.field.number } ?? false }
  }

  /// The records of each field that is there, field by field.
  var runs: [ArraySlice<Record>] {
    var runs: [ArraySlice<Record>] = []
    var start = 0
    while start < records.count {
      var end = start + 1
      while end < records.count, records[end].field === records[start].field { end += 1 }
      let last = records[end - 1]
      if !FieldRecords.isAbsent(last.field, last.value) { runs.append(records[start..<end]) }
      start = end
    }
    return runs
  }
}

/// A value that is no message.
enum WireScalar {
  case signed(Int64)
  case unsigned(UInt64)
  case float(Float)
  case double(Double)
  case bool(Bool)
  case enumeration(Int32)
  case string(UnsafeRawBufferPointer)
  case bytes(UnsafeRawBufferPointer)
}

extension FieldSchema {
  /// Whether a value on the wire can be one of this field's.
  func accepts(_ value: WireReader.Value) -> Bool {
    switch value {
    case .varint(let number):
      guard kind.wireType == 0 else { return false }
      guard kind == .enum, enumeration.isClosed else { return true }
      return enumeration.name(of: Int32(truncatingIfNeeded: number)) != nil
    case .fixed64: return kind.wireType == 1
    case .fixed32: return kind.wireType == 5
    case .bytes: return kind.wireType == 2 || isRepeated && kind.wireType != 3
    case .group: return kind.wireType == 3
    }
  }

  /// Whether it is a map's entry with a number that the value's closed enum does not have: all of it is unknown then.
  fileprivate func isUnknownEntry(_ value: WireReader.Value) throws(ProtobufError) -> Bool {
    guard isMap, let number = message.field(numbered: 2), number.kind == .enum, number.enumeration.isClosed else {
      return false
    }
    var reader = WireReader(FieldSchema.content(value))
    while let part = try reader.next() {
      if part.number == 2, case .varint = part.value, !number.accepts(part.value) { return true }
    }
    return false
  }

  /// The scalar of a value that the field accepts; the first one where they are packed.
  func scalar(_ value: WireReader.Value) -> WireScalar {
    switch value {
    case .varint(let number): scalar(varint: number)
    case .fixed64(let bits):
      switch kind {
      case .double: .double(Double(bitPattern: bits))
      case .sfixed64: .signed(Int64(bitPattern: bits))
      default: .unsigned(bits)
      }
    case .fixed32(let bits):
      switch kind {
      case .float: .float(Float(bitPattern: bits))
      case .sfixed32: .signed(Int64(Int32(bitPattern: bits)))
      default: .unsigned(UInt64(bits))
      }
    case .bytes(let content), .group(let content): kind == .string ? .string(content) : .bytes(content)
    }
  }

  private func scalar(varint number: UInt64) -> WireScalar {
    switch kind {
    case .bool: .bool(number != 0)
    case .enum: .enumeration(Int32(truncatingIfNeeded: number))
    case .int32: .signed(Int64(Int32(truncatingIfNeeded: number)))
    case .sint32: .signed(Int64(Int32(truncatingIfNeeded: FieldSchema.unzigzag(number & 0xffff_ffff))))
    case .sint64: .signed(FieldSchema.unzigzag(number))
    case .int64: .signed(Int64(bitPattern: number))
    case .uint32: .unsigned(number & 0xffff_ffff)
    default: .unsigned(number)
    }
  }

  private static func unzigzag(_ number: UInt64) -> Int64 { Int64(bitPattern: number >> 1) ^ -Int64(number & 1) }

  /// The scalars of a value: several where they are packed.
  func scalars(_ value: WireReader.Value) throws(ProtobufError) -> [WireScalar] {
    guard case .bytes(let content) = value, kind.wireType != 2 else { return [scalar(value)] }
    var reader = WireReader(content)
    var scalars: [WireScalar] = []
    while let element = try reader.nextPacked(wireType: kind.wireType) {
      if accepts(element) { scalars.append(scalar(element)) }
    }
    return scalars
  }

  /// The content of a message's value.
  static func content(_ value: WireReader.Value) -> UnsafeRawBufferPointer {
    switch value {
    case .bytes(let content), .group(let content): content
    case .varint, .fixed32, .fixed64: UnsafeRawBufferPointer(start: nil, count: 0)
    }
  }
}
