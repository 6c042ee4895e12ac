import Foundation
import PackagePlugin

/// Generates the Swift of a target's .proto files whenever it is built. Docs/Codegen.md tells how to use and configure it.
@main
struct VoleryPlugin: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
    guard let module = target.sourceModule else {
      throw PluginFailure("\(target.name) is not a target with sources: VoleryPlugin has nothing to do there")
    }
    // A target without the plugin can't say so itself.
    for trouble in context.package.protoTroubles(toldTo: target.name) { Diagnostics.warning(trouble) }
    let plan = try TargetPlan(
      target: module.protoFolder, dependencies: target.protoFoldersOfDependencies,
      shipped: context.package.shippedProtos, plugin: context.tool(named: "protoc-gen-volery").url,
      output: context.pluginWorkDirectoryURL)
    let encoder = JSONEncoder()
    // The same plan has to be the same command.
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let program = try context.tool(named: "volery-protoc").url
    return [
      .buildCommand(
        displayName: "Generating Swift of \(plan.outputs.count) .proto files for \(target.name)", executable: program,
        arguments: [String(decoding: try encoder.encode(plan), as: UTF8.self)],
        inputFiles: (plan.inputs + [program.path]).map { URL(fileURLWithPath: $0) },
        outputFiles: plan.outputs.values.sorted().map { URL(fileURLWithPath: $0) })
    ]
  }
}
