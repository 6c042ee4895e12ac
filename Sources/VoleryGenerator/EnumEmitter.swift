/// The Swift enum of an enum. A number that the .proto does not have stays what it is, `unrecognized`; a closed enum
/// (proto2) never has one, because such a field is an unknown field.
struct EnumEmitter {
  let descriptor: EnumDescriptor
  let types: TypeTable
  let visibility: String

  private struct Case {
    let name: String
    let value: EnumDescriptor.Value
    /// The case that has the number already (`allow_alias`).
    var alias: String?
  }

  init(_ descriptor: EnumDescriptor, _ types: TypeTable, visibility: String) {
    self.descriptor = descriptor
    self.types = types
    self.visibility = visibility
  }

  private func cases() -> [Case] {
    let names = names()
    var cases: [Case] = []
    for value in descriptor.values {
      let first = cases.first { $0.value.number == value.number && $0.alias == nil }
      cases.append(Case(name: names[value.name]!, value: value, alias: first?.name))
    }
    return cases
  }

  /// By the .proto's name. Of two that are the same without the enum's name, the one with the lower number keeps it.
  private func names() -> [String: String] {
    var scope = NameScope(SwiftNames.caseMembers)
    var names: [String: String] = [:]
    let values = descriptor.values.enumerated().sorted {
      ($0.element.number, $0.offset) < ($1.element.number, $1.offset)
    }
    for (_, value) in values {
      let full = SwiftNames.lowerCamel(value.name)
      let number = value.number < 0 ? "minus\(value.number.magnitude)" : "\(value.number)"
      names[value.name] = scope.claim(
        SwiftNames.enumCase(value.name, of: descriptor.name), full, "\(full)_p", "\(full)_\(number)")
    }
    return names
  }

  func emit(_ out: inout CodeWriter) throws {
    let all = cases()
    let cases = all.filter { $0.alias == nil }
    guard let first = cases.first else { throw PluginError("\(descriptor.fullName) has no values") }
    let path = try types[descriptor.fullName].path
    let deprecated = cases.filter(\.value.isDeprecated)
    let extra = deprecated.isEmpty ? "" : ", \(deprecatedProtocol(path))"
    let protocols = ["RawRepresentable", "Hashable", "Sendable", "CaseIterable"].map(types.standard).joined(
      separator: ", ")
    out.comment(descriptor.comment)
    out.deprecation(descriptor.isDeprecated)
    out.block("\(visibility)nonisolated enum \(path.last!): \(protocols)\(extra)") { out in
      for item in cases {
        out.comment(item.value.comment)
        if item.value.isDeprecated { out.line("@available(*, deprecated)") }
        out.line("case \(SwiftNames.escaped(item.name))")
      }
      if !descriptor.isClosed {
        out.line("/// A number that the .proto does not have.")
        out.line("case unrecognized(\(types.standard("Int32")))")
      }
      for item in all where item.alias != nil {
        out.comment(item.value.comment)
        if item.value.isDeprecated { out.line("@available(*, deprecated)") }
        out.line("\(visibility)static var \(SwiftNames.escaped(item.name)): Self { .\(item.alias!) }")
      }
      emitMembers(first, cases, deprecatedProtocol(path), &out)
    }
  }

  private func emitMembers(_ first: Case, _ cases: [Case], _ deprecated: String, _ out: inout CodeWriter) {
    let int32 = types.standard("Int32")
    let numbers = cases.map { "\($0.value.number)" }.joined(separator: ", ")
    out.line()
    // A deprecated case is named through a protocol that is not: no warning in generated code.
    func make(_ item: Case) -> String { item.value.isDeprecated ? "Self._deprecated.\(item.name)" : ".\(item.name)" }
    out.line("/// The first value of the .proto: that of a field that is not set.")
    out.line("\(visibility)init() { self = \(make(first)) }")
    out.line()
    out.block("\(visibility)init\(descriptor.isClosed ? "?" : "")(rawValue: \(int32))") { out in
      out.block("switch rawValue") { out in
        for item in cases { out.line("case \(item.value.number): self = \(make(item))") }
        out.line("default: \(descriptor.isClosed ? "return nil" : "self = .unrecognized(rawValue)")")
      }
    }
    out.line()
    out.block("\(visibility)var rawValue: \(int32)") { out in
      out.block("switch self") { out in
        for item in cases { out.line("case .\(item.name): \(item.value.number)") }
        if !descriptor.isClosed { out.line("case .unrecognized(let value): value") }
      }
    }
    out.line()
    out.line("/// Every value that the .proto has.")
    out.line(
      "\(visibility)static var allCases: [Self] { ([\(numbers)] as [\(int32)]).compactMap { Self(rawValue: $0) } }")
    if cases.contains(where: \.value.isDeprecated) {
      out.line()
      out.line("private static var _deprecated: any \(deprecated).Type { self }")
    }
  }

  // MARK: Deprecated cases

  private func deprecatedProtocol(_ path: [String]) -> String { types.deprecatedProtocol(of: path) }

  /// What has to stand beside the outermost type.
  func emitDeprecatedProtocol(_ out: inout CodeWriter) throws {
    let deprecated = cases().filter { $0.alias == nil && $0.value.isDeprecated }
    guard !deprecated.isEmpty else { return }
    let path = try types[descriptor.fullName].path
    out.line()
    out.block("private nonisolated protocol \(deprecatedProtocol(path))") { out in
      for item in deprecated {
        out.line("static var \(SwiftNames.escaped(item.name)): \(path.joined(separator: ".")) { get }")
      }
    }
  }
}
