/// The files that a file imports, for reflection and for types found by their names at run time.
struct FileDependencies {
  /// Those that have generated code, in this module or in one that is imported.
  private(set) var linked: [FileDescriptor] = []
  /// Those of which nothing but their descriptor is known, such as files of options: nobody has to generate them.
  private(set) var unlinked: [FileDescriptor] = []

  init(of file: FileDescriptor, _ types: TypeTable, _ options: PluginOptions, generated: Set<String>) {
    var used = FileDependencies.usedTypes(of: file)
    for value in types.extensions(of: file) {
      used.append(value.field.extendee)
      if !value.field.typeName.isEmpty { used.append(value.field.typeName) }
    }
    var mustExist: [FileDescriptor] = []
    for name in used {
      guard let owner = try? types[name].file, owner.name != file.name else { continue }
      mustExist.append(owner)
    }
    let existing = Set(mustExist.map(\.name))
    var seen: Set<String> = [file.name]
    let direct = file.dependencies.compactMap { types.file(named: $0) }
    let directNames = Set(file.dependencies)
    var open = mustExist + direct
    while !open.isEmpty {
      let next = open.removeFirst()
      guard seen.insert(next.name).inserted else { continue }
      // Of other modules only those are imported that have what this file imports itself.
      let isElsewhere = options.moduleOrWellKnown(of: next.name) != nil
      if existing.contains(next.name) || generated.contains(next.name) || directNames.contains(next.name) && isElsewhere
      {
        linked.append(next)
      } else {
        unlinked.append(next)
        open += next.dependencies.compactMap { types.file(named: $0) }
      }
    }
    linked.sort { $0.name < $1.name }
    unlinked.sort { $0.name < $1.name }
  }

  /// Full names of the messages and enums that a file's fields and methods have.
  static func usedTypes(of file: FileDescriptor) -> [String] {
    types(of: file.messages) + file.services.flatMap { $0.methods.flatMap { [$0.input, $0.output] } }
  }

  private static func types(of messages: [MessageDescriptor]) -> [String] {
    messages.flatMap { $0.fields.map(\.typeName).filter { !$0.isEmpty } + types(of: $0.messages) }
  }
}
