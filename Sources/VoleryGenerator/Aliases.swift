/// Names for types that can't be written where they are used, because a nested type has the same name. One object serves
/// all emitters of a file, which come across them one by one.
final class Aliases {
  private var names: [String: String] = [:]
  private var suffix = ""

  func begin(_ file: FileDescriptor) {
    names = [:]
    suffix = FileEmitter.identifier(file)
  }

  func name(of path: [String]) -> String {
    let name = "_\(path.joined(separator: "_"))_\(suffix)"
    names[path.joined(separator: ".")] = name
    return name
  }

  func emit(_ out: inout CodeWriter, visibility: String) {
    guard !names.isEmpty else { return }
    out.line()
    for (type, name) in names.sorted(by: { $0.key < $1.key }) { out.line("\(visibility)typealias \(name) = \(type)") }
  }
}
