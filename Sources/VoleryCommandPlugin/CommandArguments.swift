import Foundation
import PackagePlugin

/// What was written behind `swift package generate-grpc-code`.
struct CommandArguments {
  static let help = """
    swift package --allow-writing-to-package-directory generate-grpc-code [OPTIONS] [FILE.proto|FOLDER ...]

    Writes the Swift of .proto files into the package. Without a FILE: of all .proto files of the targets. Without a
    --target: of the targets that have .proto files among what they exclude, or a volery-protoc.json. Each target's
    volery-protoc.json holds, and these options go before it (paths are relative to the package):

      --target NAME                 a target of this package; may be given often
      --output-path FOLDER          where the Swift goes; by default the folder Generated of the target
      --import-path FOLDER          where imports are looked for; may be given often
      --visibility VALUE            internal, package or public
      --file-naming VALUE           PathToUnderscores, FullPath or DropPath
      --no-client                   without the clients of services
      --client-protocol             with a protocol for each client, for stand-ins in tests
      --no-server                   without what servers implement
      --no-messages                 without messages and enums
      --prefix VALUE                none, package, or a text before the names of top-level types
      --module VALUE                what the files import, joined by +
      --module-mapping FILE:MODULE  the code of the .proto FILE is in the Swift module MODULE; may be given often
      --protoc-path PATH            the protobuf compiler, where it should not be the one on PATH
    """

  let wantsHelp: Bool
  let targets: [String]
  let outputPath: String?
  let files: [String]
  private let importPaths: [String]
  private let visibility: String?
  private let fileNaming: String?
  private let client: Bool?
  private let clientProtocol: Bool?
  private let server: Bool?
  private let messages: Bool?
  private let prefix: String?
  private let module: String?
  private let moduleMappings: [String]
  private let protocPath: String?

  init(_ arguments: [String]) throws {
    var extractor = ArgumentExtractor(arguments)
    wantsHelp = extractor.extractFlag(named: "help") > 0
    targets = extractor.extractOption(named: "target")
    outputPath = extractor.extractOption(named: "output-path").last
    importPaths = extractor.extractOption(named: "import-path")
    visibility = extractor.extractOption(named: "visibility").last
    fileNaming = extractor.extractOption(named: "file-naming").last
    client = extractor.extractFlag(named: "no-client") > 0 ? false : nil
    clientProtocol = extractor.extractFlag(named: "client-protocol") > 0 ? true : nil
    server = extractor.extractFlag(named: "no-server") > 0 ? false : nil
    messages = extractor.extractFlag(named: "no-messages") > 0 ? false : nil
    prefix = extractor.extractOption(named: "prefix").last
    module = extractor.extractOption(named: "module").last
    moduleMappings = extractor.extractOption(named: "module-mapping")
    protocPath = extractor.extractOption(named: "protoc-path").last
    files = extractor.remainingArguments
    if let unknown = files.first(where: { $0.hasPrefix("-") }) {
      throw PluginFailure("the option \(unknown) is unknown\n\n\(CommandArguments.help)")
    }
  }

  /// The .proto files in a folder, the target's or the package's, with the options before the configuration.
  func sources(in folder: URL, configuration: Configuration) throws -> ProtoSources {
    // What the user typed is relative to where it was typed.
    let typed = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
    var configuration = configuration
    if !files.isEmpty { configuration.files = files.map { typed.following($0).path } }
    configuration.importPaths = importPaths.map { typed.following($0).path } + (configuration.importPaths ?? [])
    configuration.visibility = visibility ?? configuration.visibility
    configuration.fileNaming = fileNaming ?? configuration.fileNaming
    configuration.client = client ?? configuration.client
    configuration.clientProtocol = clientProtocol ?? configuration.clientProtocol
    configuration.server = server ?? configuration.server
    configuration.messages = messages ?? configuration.messages
    configuration.prefix = prefix ?? configuration.prefix
    configuration.module = module ?? configuration.module
    configuration.protocPath = protocPath.map { typed.following($0).path } ?? configuration.protocPath
    for mapping in moduleMappings {
      let pair = mapping.split(separator: ":").map(String.init)
      guard pair.count == 2 else { throw PluginFailure("--module-mapping takes FILE:MODULE, not \(mapping)") }
      configuration.moduleMappings = (configuration.moduleMappings ?? [:]).merging([pair[0]: pair[1]]) { $1 }
    }
    return try ProtoSources(folder: folder, configuration: configuration, found: ProtoSources.protos(at: folder))
  }
}
