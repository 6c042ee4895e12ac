/// The Swift names at the top of one file: no two are the same. They depend on the file and the options alone, so that a
/// file has the same ones whatever else is generated with it.
struct FileNames {
  /// What a service's parts are called.
  struct Service {
    /// What a server implements: the service's name, with `Service` at the end.
    fileprivate(set) var service: String
    let client: String
    let methods: String
    /// What the client conforms to; nil: nothing, if the options say so.
    let clientProtocol: String?

    var all: [String] { [service, client, methods] + (clientProtocol.map { [$0] } ?? []) }
  }

  /// Messages and enums, by their names in the .proto.
  private(set) var types: [String: String] = [:]
  /// By their names in the .proto.
  private(set) var services: [String: Service] = [:]

  init(_ file: FileDescriptor, _ options: PluginOptions) throws {
    let prefix = try FileNames.prefix(of: file, options)
    var scope = NameScope([FileEmitter.tableName(file)])
    for name in (file.messages.map(\.name) + file.enums.map(\.name)).sorted(by: SwiftNames.keepsType) {
      let own = SwiftNames.type(prefix + name)
      types[name] = scope.claim(own, "\(own)_p")
    }
    for name in file.services.map(\.name).sorted(by: SwiftNames.keepsService) {
      services[name] = FileNames.service(prefix + SwiftNames.service(name), options, &scope)
    }
  }

  private static func service(_ name: String, _ options: PluginOptions, _ scope: inout NameScope) -> Service {
    var own = name
    while true {
      var parts = Service(
        service: "\(own)Service", client: "\(own)Client", methods: "\(own)Methods",
        clientProtocol: options.clientProtocol ? "\(own)ClientProtocol" : nil)
      func isFree() -> Bool { !parts.all.contains { scope.contains($0) || SwiftNames.isTakenBySwift($0) } }
      // No OrdersServiceService, if it can be helped.
      if own.hasSuffix("Service"), own != "Service" { parts.service = own }
      if !isFree() { parts.service = "\(own)Service" }
      if isFree() {
        for part in parts.all { _ = scope.claim(part) }
        return parts
      }
      own += own == name ? "_p" : "_"
    }
  }

  /// What goes before the names.
  private static func prefix(of file: FileDescriptor, _ options: PluginOptions) throws -> String {
    let isPrefixed = WellKnownFiles.prefixedPackages.contains(file.package)
    // Its names are as they are in Volery, whatever a copy of the file and the options say.
    if options.shippedModule(of: file.name) != nil { return isPrefixed ? file.packagePrefix : "" }
    if let prefix = file.swiftPrefix {
      guard SwiftNames.isPrefix(prefix) else {
        throw PluginError("\(file.name): no Swift name can start with its swift_prefix \"\(prefix)\"")
      }
      return prefix
    }
    // Names such as Duration, Any and Type would hide Swift's own.
    if isPrefixed || options.prefix == .package { return file.packagePrefix }
    if case .fixed(let text) = options.prefix { return text }
    return ""
  }
}

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
