/// The Swift enum of an enum. A value that the .proto does not know stays what it is: `unrecognized`.
struct EnumEmitter {
  let descriptor: EnumDescriptor
  let types: TypeTable
  let visibility: String

  init(_ descriptor: EnumDescriptor, _ types: TypeTable, visibility: String) {
    self.descriptor = descriptor
    self.types = types
    self.visibility = visibility
  }

  func emit(_ out: inout CodeWriter) throws {
    var cases: [(name: String, value: EnumDescriptor.Value)] = []
    var aliases: [(name: String, of: String)] = []
    var names: Set<String> = []
    for value in descriptor.values {
      var name = SwiftNames.enumCase(value.name, of: descriptor.name)
      if !names.insert(name).inserted {
        name = SwiftNames.escaped(SwiftNames.lowerCamel(value.name))
        guard names.insert(name).inserted else { continue }
      }
      if let first = cases.first(where: { $0.value.number == value.number }) {
        aliases.append((name, first.name))
      } else {
        cases.append((name, value))
      }
    }
    guard let first = cases.first else { throw PluginError("\(descriptor.fullName) has no values") }
    let int32 = types.standard("Int32")
    let name = try types[descriptor.fullName].swiftName.split(separator: ".").last!
    out.comment(descriptor.comment)
    out.block("\(visibility)nonisolated enum \(name): Hashable, Sendable") { out in
      for (name, value) in cases {
        out.comment(value.comment)
        out.line("case \(name)")
      }
      out.line("case unrecognized(\(int32))")
      for alias in aliases { out.line("\(visibility)static var \(alias.name): Self { .\(alias.of) }") }
      out.line()
      out.line("\(visibility)init() { self = .\(first.name) }")
      out.line()
      out.block("\(visibility)init(rawValue: \(int32))") { out in
        out.block("switch rawValue") { out in
          for (name, value) in cases { out.line("case \(value.number): self = .\(name)") }
          out.line("default: self = .unrecognized(rawValue)")
        }
      }
      out.line()
      out.block("\(visibility)var rawValue: \(int32)") { out in
        out.block("switch self") { out in
          for (name, value) in cases { out.line("case .\(name): \(value.number)") }
          out.line("case .unrecognized(let value): value")
        }
      }
    }
  }
}
