import Foundation

/// One run of protoc: the arguments, what it reads and what it writes.
struct ProtocRun {
  let executable: URL
  let arguments: [String]
  /// Whatever it reads: a change of it asks for another run.
  let inputs: [URL]
  let files: [URL]
  /// Of each of the files, in the same order.
  let outputs: [URL]
  private let troubles: ImportTroubles

  /// - Parameters:
  ///   - dependencies: Other modules' .proto files, which these may import.
  ///   - shipped: The folder of the .proto files whose Swift comes with Volery.
  init(
    _ sources: ProtoSources, dependencies: [(module: String, sources: ProtoSources)], shipped: URL?, plugin: URL,
    output: URL
  ) throws {
    let configuration = sources.configuration
    executable = try ProtocRun.protoc(configuration.protocPath.map(sources.folder.following))
    var options = Options()
    options.add("Visibility", configuration.visibility)
    options.add("FileNaming", configuration.fileNaming ?? ProtocRun.defaultFileNaming)
    options.add("Client", configuration.client.map(String.init))
    options.add("ClientProtocol", configuration.clientProtocol.map(String.init))
    options.add("Server", configuration.server.map(String.init))
    options.add("Messages", configuration.messages.map(String.init))
    options.add("Prefix", configuration.prefix)
    options.add("Module", configuration.module)
    for (file, module) in (configuration.moduleMappings ?? [:]).sorted(by: { $0.key < $1.key }) {
      options.add("ProtoModule", "\(file):\(module)")
    }
    options.add("ModuleMappings", configuration.moduleMappingsFile.map { sources.folder.following($0).path })
    var importPaths = sources.importPaths
    var inputs = sources.inputs
    for (module, other) in dependencies {
      importPaths += other.importPaths
      inputs += other.inputs
      guard other.configuration.messages ?? true else { continue }
      // Of a copy of a file that Volery ships a module has no Swift, unless it says so.
      for name in try other.files.map(other.name(of:)) where WellKnownFiles.modules[name] == nil {
        options.add("ProtoModule", "\(name):\(module)")
      }
    }
    // Last: a copy of one's own goes before.
    if let shipped { importPaths.append(shipped) }
    troubles = ImportTroubles(sources: sources, dependencies: dependencies, importPaths: importPaths.uniqued())
    self.inputs = (inputs + [plugin]).uniqued()
    files = sources.files
    arguments =
      ["--plugin=protoc-gen-volery=\(plugin.path)", "--volery_out=\(output.path)"]
      + (try options.checked()).map { "--volery_opt=\($0)" } + (configuration.protocArguments ?? [])
      + importPaths.uniqued().map { "--proto_path=\($0.path)" } + sources.files.map { $0.standardizedFileURL.path }
    let text = configuration.fileNaming ?? ProtocRun.defaultFileNaming
    guard let naming = OutputNames.Naming(option: text) else {
      throw PluginFailure("fileNaming can't be \"\(text)\": FullPath, PathToUnderscores or DropPath")
    }
    let protos = try sources.files.map(sources.name(of:))
    let names = OutputNames(protos, naming)
    outputs = protos.map { output.appendingPathComponent(names[$0]) }
  }

  /// Runs it to its end.
  func start() throws {
    try troubles.checkVisibility()
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    // SwiftPM's plugins have no standard input, not even a closed one's number taken: protoc would get it for its own plugin's
    // pipe, and close it there.
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      let missing = troubles.missing(protoc: executable)
      guard missing.isEmpty else { throw PluginFailure(missing.joined(separator: "\nerror: ")) }
      throw PluginFailure("\(executable.path) ended with \(process.terminationStatus); see its messages above")
    }
  }

  /// Files of one name in two folders could not be compiled into one module.
  static let defaultFileNaming = "PathToUnderscores"

  /// The protobuf compiler: the configuration's, PROTOC_PATH's, or the first on PATH.
  private static func protoc(_ configured: URL?) throws -> URL {
    let environment = ProcessInfo.processInfo.environment
    if let named = configured ?? environment["PROTOC_PATH"].map({ URL(fileURLWithPath: $0) }) {
      guard FileManager.default.isExecutableFile(atPath: named.path) else {
        throw PluginFailure("the protobuf compiler \(named.path) is not there, or can't be run")
      }
      return named
    }
    // Xcode gives programs a PATH without the places where package managers install.
    let folders =
      (environment["PATH"] ?? "").split(separator: ":").map(String.init) + ["/usr/local/bin", "/opt/homebrew/bin"]
    for folder in folders {
      let candidate = URL(fileURLWithPath: folder).appendingPathComponent("protoc")
      if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
    }
    throw PluginFailure(
      """
      protoc, the protobuf compiler, is not on PATH (\(environment["PATH"] ?? "which is not set")). Install it \
      (Debian, Ubuntu: apt-get install protobuf-compiler; macOS: brew install protobuf), or name it by PROTOC_PATH in \
      the environment or "protocPath" in \(Configuration.fileName).
      """)
  }

  /// Options of protoc-gen-volery.
  private struct Options {
    private var pairs: [String] = []

    mutating func add(_ name: String, _ value: String?) {
      if let value { pairs.append("\(name)=\(value)") }
    }

    /// protoc joins the options with commas, so that none may contain one.
    func checked() throws -> [String] {
      for pair in pairs where pair.contains(",") { throw PluginFailure("an option can't contain a comma: \(pair)") }
      return pairs
    }
  }
}

extension Array where Element: Hashable {
  fileprivate func uniqued() -> [Element] {
    var seen: Set<Element> = []
    return filter { seen.insert($0).inserted }
  }
}
