import CProtobufC

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
