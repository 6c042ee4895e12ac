import Foundation
import PackagePlugin

/// `swift package generate-grpc-code`: writes the Swift of .proto files into the package, for those who commit it.
@main
struct VoleryCommandPlugin: CommandPlugin {
  func performCommand(context: PluginContext, arguments: [String]) async throws {
    let request = try CommandArguments(arguments)
    if request.wantsHelp { return print(CommandArguments.help) }
    let plugin = try context.tool(named: "protoc-gen-volery").url
    let package = context.package
    if !request.files.isEmpty, request.targets.isEmpty {
      guard let output = request.outputPath else {
        throw PluginFailure("files without a --target need an --output-path: where should their Swift go?")
      }
      let sources = try request.sources(in: package.directoryURL, configuration: Configuration())
      return try generate(
        sources, dependencies: [], shipped: package.shippedProtos, plugin, into: package.directoryURL.following(output))
    }
    let shipped = package.shippedProtos
    let targets = try request.targets.isEmpty ? targetsWithProtos(of: package) : package.targets(named: request.targets)
    for trouble in package.protoTroubles() { Diagnostics.warning(trouble) }
    guard !targets.isEmpty else { throw PluginFailure(nothingToWrite(package)) }
    for target in targets {
      guard let target = target.sourceModule else { throw PluginFailure("\(target.name) has no sources") }
      let folder = target.directoryURL
      let sources = try request.sources(in: folder, configuration: Configuration(folder: folder) ?? Configuration())
      guard !sources.files.isEmpty else { throw PluginFailure("\(target.name) has no .proto file") }
      try generate(
        sources, dependencies: target.dependenciesWithProtos, shipped: shipped, plugin,
        into: request.outputPath.map(package.directoryURL.following) ?? folder.appendingPathComponent("Generated"))
    }
  }

  /// All targets with a configuration or .proto files, but those whose code the build plugin generates: its inputs are
  /// among their sources, while a target with committed code excludes them.
  private func targetsWithProtos(of package: Package) throws -> [any Target] {
    try package.targets.filter { target in
      guard let module = target.sourceModule, module.sourceFiles(withSuffix: ".proto").isEmptySequence else {
        return false
      }
      return try !ProtoSources.protos(at: module.directoryURL).isEmpty
        || Configuration(folder: module.directoryURL) != nil
    }
  }

  /// Why no target gets code without a `--target`.
  private func nothingToWrite(_ package: Package) -> String {
    let built = package.targets.filter { $0.sourceModule?.protoFolder.found.isEmpty == false }.map(\.name)
    guard !built.isEmpty else { return "no target of \(package.displayName) has a .proto file" }
    return """
      the .proto files of \(built.joined(separator: ", ")) are among the sources, which is where VoleryPlugin generates their \
      Swift at every build. For Swift that is committed, keep them out of the sources, by `exclude:` in Package.swift, or name \
      the target: --target \(built[0])
      """
  }

  private func generate(
    _ sources: ProtoSources, dependencies: [(module: String, sources: ProtoSources)], shipped: URL?, _ plugin: URL,
    into output: URL
  ) throws {
    let run = try ProtocRun(sources, dependencies: dependencies, shipped: shipped, plugin: plugin, output: output)
    try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
    try run.start()
    for file in run.outputs { print("wrote \(file.path)") }
  }
}

extension Sequence {
  fileprivate var isEmptySequence: Bool { !contains { _ in true } }
}
