import Synchronization

extension FileTable {
  /// What the file declares, made when it is first asked for.
  package var schema: FileSchema { lazySchema.load() ?? lazySchema.storeIfNil(FileSchema(self)) }

  /// The file's name as imports write it, such as `orders/v1/order.proto`.
  public var fileName: String { DescriptorNode(fileDescriptor).string(1) ?? "" }

  /// The serialized FileDescriptorProtos of this file and of all that it imports, directly or not, each once and after
  /// those that it imports itself: what gRPC's server reflection sends, and what a FileDescriptorSet holds. Files that
  /// nobody has generated Swift of are among them.
  public var fileDescriptorsWithImports: [[UInt8]] {
    var seen: Set<String> = []
    var out: [[UInt8]] = []
    func add(_ table: FileTable) {
      let descriptor = table.fileDescriptor
      guard seen.insert(DescriptorNode(descriptor).string(1) ?? "").inserted else { return }
      for dependency in table.dependencies { add(dependency) }
      let unlinked = table.unlinkedFileDescriptors.map { ($0, DescriptorNode($0)) }
      let byName = Dictionary(unlinked.map { ($1.string(1) ?? "", ($0, $1)) }) { first, _ in first }
      func addUnlinked(_ name: String) {
        guard let (bytes, node) = byName[name], seen.insert(name).inserted else { return }
        for dependency in node.strings(3) { addUnlinked(dependency) }
        out.append(bytes)
      }
      for name in byName.keys.sorted() { addUnlinked(name) }
      out.append(descriptor)
    }
    add(self)
    return out
  }
}

extension Message {
  /// The serialized descriptor of the .proto that declares this message, and its imports'.
  public static var fileTable: FileTable { _type.file }

  /// What the .proto declares of this message.
  package static var schema: MessageSchema {
    guard let schema = _type.file.schema.message(named: messageName) else {
      preconditionFailure("the descriptor of \(messageName)'s file does not have it")
    }
    return schema
  }
}
