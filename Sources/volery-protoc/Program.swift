import Foundation

/// What VoleryPlugin has SwiftPM run when a target's .proto files or its volery-protoc.json have changed: its one argument is
/// a `TargetPlan` as JSON.
@main
enum Program {
  static func main() {
    do {
      guard CommandLine.arguments.count == 2 else {
        throw PluginFailure("this program is run by VoleryPlugin in a build, see Docs/Codegen.md")
      }
      try JSONDecoder().decode(TargetPlan.self, from: Data(CommandLine.arguments[1].utf8)).carryOut()
    } catch {
      FileHandle.standardError.write(Data("error: \(error)\n".utf8))
      exit(1)
    }
  }
}
