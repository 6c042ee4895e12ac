import VoleryPrimitives

/// What one server's reflection knows: its files, by name and by what they declare. A value; made once for each server.
struct ReflectionCatalog: Sendable {
  private struct Symbol {
    let file: Int
    let isMessage: Bool
  }

  /// Full names, sorted.
  let services: [String]
  private(set) var files: [ReflectedFile] = []
  private let isHidden: @Sendable (String) -> Bool
  private var byName: [String: Int] = [:]
  /// By the name of a file: the first that imports it.
  private var importers: [String: Int] = [:]
  private var symbols: [String: Symbol] = [:]
  /// By the extended message, then by number.
  private var extensions: [String: [Int: Int]] = [:]
  private var notes: Set<String> = []

  /// - Parameters:
  ///   - services: The full names of those that are told of.
  ///   - isHidden: Of any service's full name.
  init(services: some Sequence<String> = [], isHidden: @escaping @Sendable (String) -> Bool = { _ in false }) {
    self.services = services.sorted()
    self.isHidden = isHidden
  }

  /// Adds a serialized FileDescriptorProto. Of files with one name the first one counts, and so it is with symbols.
  mutating func add(_ descriptor: [UInt8]) {
    let index = files.count
    var declared: [(String, Bool)] = []
    var extending: [(message: String, number: Int)] = []
    let file = ReflectedFile(
      descriptor, isHidden: isHidden, declares: { declared.append(($0, $1 == .message)) },
      extends: { extending.append(($0, $1)) })
    guard let file else {
      notes.insert("a service has a descriptor that is none of a file")
      return
    }
    if let known = byName[file.name] {
      if files[known].descriptor != file.descriptor {
        notes.insert("there are two versions of \"\(String(foreign: file.name))\"; the first is told")
      }
      return
    }
    files.append(file)
    byName[file.name] = index
    for name in file.imports where importers[name] == nil { importers[name] = index }
    for (name, isMessage) in declared where symbols[name] == nil {
      symbols[name] = Symbol(file: index, isMessage: isMessage)
    }
    for (message, number) in extending where extensions[message]?[number] == nil {
      extensions[message, default: [:]][number] = index
    }
  }

  func file(named name: String) -> Int? { byName[name] }
  func file(declaring symbol: String) -> Int? { symbols[symbol]?.file }
  func file(extending message: String, number: Int) -> Int? { extensions[message]?[number] }

  /// In ascending order; nil for what is no message.
  func extensionNumbers(of message: String) -> [Int]? {
    if let numbers = extensions[message] { return numbers.keys.sorted() }
    return symbols[message]?.isMessage == true ? [] : nil
  }

  /// A file that imports this one.
  func importer(of name: String) -> String? { importers[name].map { files[$0].name } }

  /// In words: what is missing, or there twice.
  var problems: [String] {
    notes.sorted()
      + importers.keys.filter { byName[$0] == nil }.sorted().map { name in
        "\"\(String(foreign: importer(of: name) ?? ""))\" imports \"\(String(foreign: name))\", of which no service has a "
          + "descriptor"
      }
  }

  /// A file, then those that it imports, directly or not, each once and as near to it as they are.
  func withImports(_ file: Int) -> [Int] {
    var found = [file]
    var seen: Set<Int> = [file]
    var next = 0
    while next < found.count {
      for name in files[found[next]].imports {
        // What is missing, clients are told when they ask for it.
        if let index = byName[name], seen.insert(index).inserted { found.append(index) }
      }
      next += 1
    }
    return found
  }
}
