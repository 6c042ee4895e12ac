import Foundation
import PackagePlugin

/// Generates the Swift of a target's .proto files whenever it is built. Docs/Codegen.md tells how to use and configure it.
@main
struct VoleryPlugin: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
    guard let module = target.sourceModule else {
      throw PluginFailure("\(target.name) is not a target with sources: VoleryPlugin has nothing to do there")
    }
    let sources = try ProtoSources(target: module)
    guard !sources.files.isEmpty else {
      throw PluginFailure(
        "\(target.name) has no .proto file: put one into \(module.directoryURL.path), or name one in 'files' of "
          + Configuration.fileName)
    }
    let run = try ProtocRun(
      sources, dependencies: target.dependenciesWithProtos, plugin: context.tool(named: "protoc-gen-volery").url,
      output: context.pluginWorkDirectoryURL)
    return [
      .buildCommand(
        displayName: "Generating Swift of \(sources.files.count) .proto files for \(target.name)",
        executable: run.executable, arguments: run.arguments, inputFiles: run.inputs, outputFiles: run.outputs)
    ]
  }
}
