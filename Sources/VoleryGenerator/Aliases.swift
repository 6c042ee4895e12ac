/// Names at the top of a file that its emitters come across one by one: for types that can't be written where they are used,
/// because a nested type has the same name, and for the protocols through which deprecated cases are named. One object
/// serves all emitters of a file.
final class Aliases {
  private var names: [[String]: String] = [:]
  private var protocols: [[String]: String] = [:]
  private var scope = NameScope()
  private var suffix = ""
  /// The module that is being generated, where a mapping names it.
  private(set) var module: String?

  func begin(_ file: FileDescriptor, module: String?) {
    names = [:]
    protocols = [:]
    scope = NameScope()
    suffix = FileEmitter.identifier(file)
    self.module = module
  }

  /// - Parameter taken: The names of all types.
  func name(of path: [String], _ taken: Set<String>) -> String {
    if let name = names[path] { return name }
    let name = scope.claim("_\(path.joined(separator: "_"))_\(suffix)") { !taken.contains($0) }
    names[path] = name
    return name
  }

  /// Of an enum with deprecated cases.
  func deprecatedProtocol(of path: [String], _ taken: Set<String>) -> String {
    if let name = protocols[path] { return name }
    let name = scope.claim("_Deprecated_\(path.joined(separator: "_"))") { !taken.contains($0) }
    protocols[path] = name
    return name
  }

  func emit(_ out: inout CodeWriter, visibility: String) {
    guard !names.isEmpty else { return }
    out.line()
    for (type, name) in names.map({ ($0.key.joined(separator: "."), $0.value) }).sorted(by: { $0 < $1 }) {
      out.line("\(visibility)typealias \(name) = \(type)")
    }
  }
}
