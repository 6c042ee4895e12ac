import CProtobufC

// Oneofs, and what another value takes the place of.

extension MessageReader {
  /// Makes the field the member that the oneof has; where its value goes.
  func member(_ message: UnsafeMutableRawPointer, _ field: Field) throws(ProtobufError) -> UnsafeMutableRawPointer {
    let place = message + Int(field.pointee.offset)
    let mark = message + Int(field.pointee.quantifier_offset)
    let former = mark.load(as: UInt32.self)
    if former != 0 { try replaceMember(message, former) }
    mark.storeBytes(of: field.pointee.id, as: UInt32.self)
    return place
  }

  /// The message that a oneof has; further pieces are added to it.
  func memberMessage(_ message: UnsafeMutableRawPointer, _ field: Field) throws(ProtobufError)
    -> UnsafeMutableRawPointer
  {
    let mark = message + Int(field.pointee.quantifier_offset)
    if mark.load(as: UInt32.self) == field.pointee.id {
      return (message + Int(field.pointee.offset)).load(as: UnsafeMutableRawPointer.self)
    }
    let sub = try emptyMessage(field.pointee.message)
    try member(message, field).storeBytes(of: sub, as: UnsafeMutableRawPointer.self)
    return sub
  }

  @inline(never)
  private func replaceMember(_ message: UnsafeMutableRawPointer, _ id: UInt32) throws(ProtobufError) {
    let descriptor = message.load(as: Descriptor.self)
    guard let former = descriptor.pointee.field(id: id) else { return }
    try replace(message + Int(former.pointee.offset), former)
  }

  /// What another value takes the place of, nobody gets, but its texts have to be UTF-8 all the same.
  @inline(never) func replace(_ place: UnsafeMutableRawPointer, _ field: Field) throws(ProtobufError) {
    if field.pointee.isString { try checkText(place, 1) }
    if field.pointee.isMessage { try checkTexts(place, 1) }
  }

  private func checkText(_ texts: UnsafeMutableRawPointer, _ count: Int) throws(ProtobufError) {
    for text in UnsafeBufferPointer(start: texts.assumingMemoryBound(to: ProtobufCBinaryData.self), count: count) {
      guard _isUTF8(UnsafeBufferPointer(start: text.data, count: text.len)) else { throw .invalidUTF8 }
    }
  }

  private func checkTexts(_ messages: UnsafeMutableRawPointer, _ count: Int) throws(ProtobufError) {
    try checkStack()
    let messages = UnsafeBufferPointer(
      start: messages.assumingMemoryBound(to: UnsafeMutableRawPointer?.self), count: count)
    for case let message? in messages {
      let descriptor = message.load(as: Descriptor.self).pointee
      for index in 0..<Int(descriptor.n_fields) {
        let field = descriptor.fields + index
        let place = message + Int(field.pointee.offset)
        let quantifier = message + Int(field.pointee.quantifier_offset)
        guard field.pointee.isString || field.pointee.isMessage else { continue }
        var values: (UnsafeMutableRawPointer, Int) = (place, 1)
        switch field.pointee.form.shape {
        case .singular: break
        case .oneof: if quantifier.load(as: UInt32.self) != field.pointee.id { continue }
        case .list:
          guard let elements = place.load(as: UnsafeMutableRawPointer?.self) else { continue }
          values = (elements, quantifier.load(as: Int.self))
        }
        if field.pointee.isString { try checkText(values.0, values.1) } else { try checkTexts(values.0, values.1) }
      }
    }
  }
}
