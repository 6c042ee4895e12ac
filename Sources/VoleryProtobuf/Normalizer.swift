import CProtobufC

/// Rewrites input that libprotobuf-c can't read, or reads wrongly, into input that it reads right: pieces of a
/// sub-message put together, superseded oneof members dropped, and groups and fields of another wire type put aside.
enum Normalizer {
  /// The field number under which what was put aside travels to the unknown fields; in the range that .proto files may not
  /// use (19000 to 19999).
  static let carrierNumber: UInt32 = 19000

  static func normalize(_ bytes: UnsafeRawBufferPointer, _ type: MessageType) throws(ProtobufError) -> [UInt8] {
    try normalize(bytes, type.descriptor.pointee, depth: 0)
  }

  /// What a carrier field carries.
  static func carried(_ field: ProtobufCMessageUnknownField) -> [UInt8] {
    let bytes = Array(UnsafeBufferPointer(start: field.data, count: field.len))
    guard let (_, length) = UnknownFields.readVarint(bytes[...]) else { return [] }
    return Array(bytes.dropFirst(length))
  }

  private static func normalize(
    _ bytes: UnsafeRawBufferPointer, _ descriptor: ProtobufCMessageDescriptor, depth: Int
  ) throws(ProtobufError) -> [UInt8] {
    guard depth < DecodeContext.maxDepth else { throw .tooDeep(limit: DecodeContext.maxDepth) }
    var rewriter = Rewriter(descriptor)
    var reader = WireReader(bytes)
    while let field = try reader.next(depth: depth) { rewriter.take(field) }
    return try rewriter.finish(depth: depth)
  }

  /// Collects a message's fields, then writes them.
  private struct Rewriter {
    private enum Part {
      case raw(UnsafeRawBufferPointer)
      /// A singular sub-message: the pieces of `number` stand in `pieces`.
      case merged(ProtobufCFieldDescriptor)
      case element(ProtobufCFieldDescriptor, UnsafeRawBufferPointer)
    }

    private let descriptor: ProtobufCMessageDescriptor
    private var parts: [Part?] = []
    private var pieces: [UInt32: [UInt8]] = [:]
    private var placeOfMerged: [UInt32: Int] = [:]
    /// Where the current member of each oneof stands, by the offset of its case.
    private var oneofs: [UInt32: (number: UInt32, places: [Int])] = [:]
    private var aside: [UInt8] = []

    init(_ descriptor: ProtobufCMessageDescriptor) { self.descriptor = descriptor }

    mutating func take(_ field: WireReader.Field) {
      guard let known = known(field.number), fits(field.value, known) else {
        aside.append(contentsOf: field.raw)
        return
      }
      let isOneof = known.flags & FileTable.FieldFlags.oneof != 0
      if isOneof { enterOneof(known) }
      guard known.type == PROTOBUF_C_TYPE_MESSAGE else {
        place(.raw(field.raw), isOneof ? known : nil)
        return
      }
      let content = Rewriter.content(field.value)
      if known.label == PROTOBUF_C_LABEL_REPEATED {
        place(.element(known, content), nil)
      } else if pieces[known.id] != nil {
        pieces[known.id]!.append(contentsOf: content)
      } else {
        pieces[known.id] = Array(content)
        place(.merged(known), isOneof ? known : nil)
      }
    }

    private mutating func place(_ part: Part, _ oneof: ProtobufCFieldDescriptor?) {
      if let oneof { oneofs[oneof.quantifier_offset]?.places.append(parts.count) }
      parts.append(part)
    }

    /// Another member of the oneof takes the place of the former one.
    private mutating func enterOneof(_ known: ProtobufCFieldDescriptor) {
      let current = oneofs[known.quantifier_offset]
      guard current?.number != known.id else { return }
      if let current {
        for place in current.places { parts[place] = nil }
        pieces[current.number] = nil
      }
      oneofs[known.quantifier_offset] = (known.id, [])
    }

    private func known(_ number: Int) -> ProtobufCFieldDescriptor? {
      var low = 0
      var high = Int(descriptor.n_fields)
      while low < high {
        let middle = (low + high) / 2
        let id = Int(descriptor.fields[middle].id)
        if id == number { return descriptor.fields[middle] }
        if id < number { low = middle + 1 } else { high = middle }
      }
      return nil
    }

    private func fits(_ value: WireReader.Value, _ field: ProtobufCFieldDescriptor) -> Bool {
      switch value {
      case .group: return field.type == PROTOBUF_C_TYPE_MESSAGE && field.reserved_flags & 1 != 0
      case .bytes:
        if field.type == PROTOBUF_C_TYPE_MESSAGE { return field.reserved_flags & 1 == 0 }
        if field.type == PROTOBUF_C_TYPE_BYTES { return true }
        return field.label == PROTOBUF_C_LABEL_REPEATED
      case .varint:
        return [
          PROTOBUF_C_TYPE_INT32, PROTOBUF_C_TYPE_SINT32, PROTOBUF_C_TYPE_UINT32, PROTOBUF_C_TYPE_INT64,
          PROTOBUF_C_TYPE_SINT64, PROTOBUF_C_TYPE_UINT64, PROTOBUF_C_TYPE_ENUM, PROTOBUF_C_TYPE_BOOL,
        ].contains(field.type)
      case .fixed64:
        return [PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_DOUBLE].contains(field.type)
      case .fixed32:
        return [PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_SFIXED32, PROTOBUF_C_TYPE_FLOAT].contains(field.type)
      }
    }

    private static func content(_ value: WireReader.Value) -> UnsafeRawBufferPointer {
      switch value {
      case .bytes(let content), .group(let content): content
      case .varint, .fixed32, .fixed64: UnsafeRawBufferPointer(start: nil, count: 0)
      }
    }

    func finish(depth: Int) throws(ProtobufError) -> [UInt8] {
      var out: [UInt8] = []
      for part in parts {
        switch part {
        case nil: continue
        case .raw(let raw)?: out.append(contentsOf: raw)
        case .element(let field, let content)?: try append(field, content, to: &out, depth: depth)
        case .merged(let field)?:
          let content = pieces[field.id] ?? []
          var failure: ProtobufError?
          content.withUnsafeBytes { content in
            do throws(ProtobufError) { try append(field, content, to: &out, depth: depth) } catch { failure = error }
          }
          if let failure { throw failure }
        }
      }
      if !aside.isEmpty {
        UnknownFields.appendVarint(UInt64(Normalizer.carrierNumber) << 3 | 2, to: &out)
        UnknownFields.appendVarint(UInt64(aside.count), to: &out)
        out += aside
      }
      return out
    }

    private func append(
      _ field: ProtobufCFieldDescriptor, _ content: UnsafeRawBufferPointer, to out: inout [UInt8], depth: Int
    ) throws(ProtobufError) {
      let sub = field.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self).pointee
      let normal = try Normalizer.normalize(content, sub, depth: depth + 1)
      UnknownFields.appendVarint(UInt64(field.id) << 3 | 2, to: &out)
      UnknownFields.appendVarint(UInt64(normal.count), to: &out)
      out += normal
    }
  }
}
