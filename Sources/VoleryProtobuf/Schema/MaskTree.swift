/// The paths of a field mask as a tree: for each field that is named, what is named in it; nothing stands for all of it.
package struct MaskTree {
  private var children: [String: MaskTree] = [:]
  private var isWhole = false

  private init() {}

  package init(_ paths: [String]) {
    for path in paths where !path.isEmpty { insert(path.split(separator: ".", omittingEmptySubsequences: false)[...]) }
  }

  private mutating func insert(_ parts: ArraySlice<Substring>) {
    // Whoever names a message names all in it.
    guard !isWhole else { return }
    guard let first = parts.first else {
      isWhole = true
      children = [:]
      return
    }
    // Nobody's messages are that deep, and a path of dots must not exhaust the stack.
    guard parts.count <= DecodeOptions.defaultMaximumDepth else { return }
    children[String(first), default: MaskTree()].insert(parts.dropFirst())
  }

  package func isValid(for schema: MessageSchema) -> Bool {
    children.allSatisfy { name, child in
      guard let field = schema.field(protoName: name) else { return false }
      if child.isWhole { return true }
      return field.kind.isMessage && !field.isRepeated && child.isValid(for: field.message)
    }
  }

  /// The bytes of `target` with the fields of the tree as they are in `source`.
  package func merged(
    _ target: [UInt8], _ source: [UInt8], _ schema: MessageSchema
  ) throws(ProtobufError) -> [UInt8] {
    var out = WireWriter()
    /// Messages that are merged in part: their bytes on both sides.
    var pieces: [Int: (target: [UInt8], source: [UInt8])] = [:]
    try target.withBytes { bytes throws(ProtobufError) in
      var reader = WireReader(bytes)
      while let field = try reader.next() {
        guard let (known, child) = child(field.number, schema) else {
          out.raw(field.raw)
          continue
        }
        if child.isWhole { continue }
        guard known.accepts(field.value) else { continue }
        pieces[known.number, default: ([], [])].target += Array(FieldSchema.content(field.value))
      }
    }
    try source.withBytes { bytes throws(ProtobufError) in
      var reader = WireReader(bytes)
      while let field = try reader.next() {
        guard let (known, child) = child(field.number, schema) else { continue }
        guard !child.isWhole, known.accepts(field.value) else {
          out.raw(field.raw)
          continue
        }
        pieces[known.number, default: ([], [])].source += Array(FieldSchema.content(field.value))
      }
    }
    for (number, piece) in pieces.sorted(by: { $0.key < $1.key }) {
      guard let (known, child) = child(number, schema) else { continue }
      let inner = try child.merged(piece.target, piece.source, known.message)
      out.tag(number, wireType: known.kind.wireType)
      if known.kind == .group {
        inner.withUnsafeBytes { out.raw($0) }
        out.tag(number, wireType: 4)
      } else {
        out.content(inner)
      }
    }
    return out.bytes
  }

  /// The field of this number if the tree names it or something in it.
  private func child(_ number: Int, _ schema: MessageSchema) -> (FieldSchema, MaskTree)? {
    guard let field = schema.field(numbered: number), let child = children[field.name] else { return nil }
    guard child.isWhole || field.kind.isMessage && !field.isRepeated else { return nil }
    return (field, child)
  }
}
