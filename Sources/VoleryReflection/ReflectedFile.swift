import VoleryProtobuf

/// One .proto as reflection tells it: its descriptor, and what that declares.
struct ReflectedFile: Sendable {
  enum Kind: Sendable { case message, service, other }

  /// Messages lie in one another so deep at the most: what lies deeper is in the descriptor, and can't be asked for.
  private static let maximumDepth = 100

  let name: String
  /// The names of the files that it imports.
  let imports: [String]
  /// The serialized FileDescriptorProto.
  let descriptor: [UInt8]

  /// Nil for bytes that are no FileDescriptorProto with a name.
  ///
  /// - Parameters:
  ///   - isHidden: Of a service's full name: it is left out, of `descriptor` too.
  ///   - declares: Called with each full name that the file declares, once for each.
  ///   - extends: Called with the extended message and the number for each extension.
  init?(
    _ descriptor: [UInt8], isHidden: (_ service: String) -> Bool, declares: (_ symbol: String, Kind) -> Void,
    extends: (_ message: String, _ number: Int) -> Void
  ) {
    let node = DescriptorNode(descriptor)
    guard let name = node.string(1), !name.isEmpty else { return nil }
    self.name = name
    imports = node.strings(3)
    let package = node.string(2).map { $0.isEmpty ? "" : $0 + "." } ?? ""

    func declare(_ node: DescriptorNode, in scope: String, _ kind: Kind = .other) -> String {
      let name = scope + (node.string(1) ?? "")
      declares(name, kind)
      return name + "."
    }
    func add(enumeration: DescriptorNode, in scope: String) {
      _ = declare(enumeration, in: scope)
      // As in C++, the values stand beside their enum.
      for value in enumeration.nodes(2) { _ = declare(value, in: scope) }
    }
    func add(extension field: DescriptorNode, in scope: String) {
      _ = declare(field, in: scope)
      if let message = field.string(2), let number = field.int(3) {
        extends(String(message.drop { $0 == "." }), number)
      }
    }
    func add(message: DescriptorNode, in scope: String, depth: Int) {
      guard depth < ReflectedFile.maximumDepth else { return }
      let own = declare(message, in: scope, .message)
      for part in message.nodes(2) + message.nodes(8) { _ = declare(part, in: own) }
      for field in message.nodes(6) { add(extension: field, in: own) }
      for inner in message.nodes(4) { add(enumeration: inner, in: own) }
      for inner in message.nodes(3) { add(message: inner, in: own, depth: depth + 1) }
    }
    for message in node.nodes(4) { add(message: message, in: package, depth: 0) }
    for value in node.nodes(5) { add(enumeration: value, in: package) }
    for field in node.nodes(7) { add(extension: field, in: package) }
    var hidden: Set<String> = []
    for service in node.nodes(6) {
      let name = service.string(1) ?? ""
      guard !isHidden(package + name) else {
        hidden.insert(name)
        continue
      }
      let own = declare(service, in: package, .service)
      for method in service.nodes(2) { _ = declare(method, in: own) }
    }
    self.descriptor = hidden.isEmpty ? descriptor : ReflectedFile.descriptor(descriptor, without: hidden)
  }

  /// Without these services of its own; names have no package.
  private static func descriptor(_ descriptor: [UInt8], without services: Set<String>) -> [UInt8] {
    descriptor.withUnsafeBytes { bytes in
      var reader = WireReader(bytes)
      var kept: [UInt8] = []
      while let field = try? reader.next() {
        if field.number == 6, case .bytes(let service) = field.value,
          services.contains(DescriptorNode(Array(service)).string(1) ?? "")
        {
          continue
        }
        kept += field.raw
      }
      return kept
    }
  }
}
