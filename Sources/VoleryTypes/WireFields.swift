/// Reads the fields of a protobuf message one after another, for modules that have no protobuf: messages of the framework's own,
/// of a few fields. Groups can't be read, as in proto3.
package struct WireFields {
  /// One field; several of one number are several.
  package struct Field {
    package let number: UInt64
    package let value: Value
  }

  /// What stands in a field, by its wire type.
  package enum Value {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    case bytes(ArraySlice<UInt8>)

    /// Of a field that is a double.
    package var double: Double? { if case .fixed64(let bits) = self { Double(bitPattern: bits) } else { nil } }
  }

  private var rest: ArraySlice<UInt8>
  /// Set where `next` has come to bytes that are no field.
  package private(set) var isBroken = false

  package init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// Nil: there are no more, or the rest can't be read (`isBroken`).
  package mutating func next() -> Field? {
    guard !rest.isEmpty else { return nil }
    guard let tag = varint(), tag >> 3 != 0, let value = value(ofType: tag & 7) else {
      isBroken = true
      rest = []
      return nil
    }
    return Field(number: tag >> 3, value: value)
  }

  private mutating func value(ofType type: UInt64) -> Value? {
    switch type {
    case 0: varint().map(Value.varint)
    case 1: littleEndian(8).map(Value.fixed64)
    case 2: varint().flatMap { take($0) }.map(Value.bytes)
    case 5: littleEndian(4).map { .fixed32(UInt32(truncatingIfNeeded: $0)) }
    default: nil
    }
  }

  private mutating func varint() -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 70, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      if shift < 64 { value |= UInt64(byte & 0x7f) << UInt64(shift) }
      if byte < 0x80 { return value }
    }
    return nil
  }

  private mutating func littleEndian(_ count: Int) -> UInt64? {
    take(UInt64(count))?.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private mutating func take(_ count: UInt64) -> ArraySlice<UInt8>? {
    guard count <= UInt64(rest.count) else { return nil }
    defer { rest = rest.dropFirst(Int(count)) }
    return rest.prefix(Int(count))
  }
}

/// The same the other way round. What is zero or empty is left out by whoever writes, as in proto3.
package struct WireWriter {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  package mutating func append(varint value: UInt64, field: UInt64) {
    append(varint: field << 3)
    append(varint: value)
  }

  package mutating func append(double value: Double, field: UInt64) {
    append(varint: field << 3 | 1)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
  }

  package mutating func append(bytes value: some Collection<UInt8>, field: UInt64) {
    append(varint: field << 3 | 2)
    append(varint: UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  private mutating func append(varint value: UInt64) {
    var value = value
    while value >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    bytes.append(UInt8(value))
  }
}
