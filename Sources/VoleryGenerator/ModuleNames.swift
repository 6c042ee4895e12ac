/// The Swift names at the top of the module that is generated, of all its files. Each file's own are told apart in it
/// (`FileNames`); two files that have one in common can't be in one module.
struct ModuleNames {
  private struct Owner {
    let file: String
    /// `message orders.Order`.
    let what: String
  }

  private var owners: [String: Owner] = [:]

  mutating func add(_ name: String, _ what: String, of file: FileDescriptor) throws {
    guard let other = owners[name] else {
      owners[name] = Owner(file: file.name, what: what)
      return
    }
    guard other.what != what else { return }
    throw PluginError(
      """
      the \(other.what) (\(other.file)) and the \(what) (\(file.name)) would both be \(name) in Swift: \
      generate with Prefix=package ("prefix": "package" in volery-protoc.json), or give one of the files an \
      option swift_prefix
      """)
  }
}
