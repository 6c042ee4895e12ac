import Foundation

/// What SwiftPM is told once of the generation of one target's Swift, and what `volery-protoc` starts from in each build.
/// SwiftPM keeps a build's plan until a manifest or the list of a target's files changes, so that whatever
/// volery-protoc.json says is read when the command runs, and not when it is planned.
struct TargetPlan: Codable {
  /// A target's folder, and the .proto files that are among its sources.
  struct Folder: Codable {
    let module: String
    let path: String
    let found: [String]

    var sources: ProtoSources {
      get throws {
        let folder = URL(fileURLWithPath: path)
        return try ProtoSources(
          folder: folder, configuration: Configuration(folder: folder) ?? Configuration(),
          found: found.map { URL(fileURLWithPath: $0) })
      }
    }
  }

  let target: Folder
  let dependencies: [Folder]
  /// The folder of the .proto files whose Swift comes with Volery.
  let shipped: String?
  /// protoc-gen-volery.
  let plugin: String
  /// The folder that the outputs lie in.
  let output: String
  /// What the build looks at for changes.
  private(set) var inputs: [String] = []
  /// The Swift file of each .proto file, whose names are as `fileNaming` was when the build was planned.
  private(set) var outputs: [String: String] = [:]

  init(target: Folder, dependencies: [Folder], shipped: URL?, plugin: URL, output: URL) throws {
    self.target = target
    self.dependencies = dependencies
    self.shipped = shipped?.path
    self.plugin = plugin.path
    self.output = output.path
    let run = try run(into: output)
    inputs = run.inputs.map(\.path)
    outputs = Dictionary(zip(run.files.map(\.path), run.outputs.map(\.path))) { first, _ in first }
  }

  /// The run of protoc that volery-protoc.json asks for now.
  func run(into folder: URL) throws -> ProtocRun {
    let sources = try target.sources
    guard !sources.files.isEmpty else {
      throw PluginFailure(
        "\(target.module) has no .proto file: put one into \(target.path), or name one in 'files' of "
          + Configuration.fileName)
    }
    return try ProtocRun(
      sources, dependencies: dependencies.map { ($0.module, try $0.sources) }.filter { !$0.1.files.isEmpty },
      shipped: shipped.map { URL(fileURLWithPath: $0) }, plugin: URL(fileURLWithPath: plugin), output: folder)
  }

  /// Generates what is planned, as volery-protoc.json has it now.
  func carryOut() throws {
    let made = URL(fileURLWithPath: output).appendingPathComponent("made-by-protoc")
    let run = try run(into: made)
    let changed = Set(run.inputs.map(\.path)).symmetricDifference(inputs).sorted()
    guard changed.isEmpty, Set(run.files.map(\.path)) == Set(outputs.keys) else {
      throw PluginFailure(
        """
        \(target.module): \(Configuration.fileName), its own or that of a target that it depends on, names other files than when \
        this build was planned (\(changed.joined(separator: ", "))). SwiftPM plans anew when a manifest changes: run \
        `touch Package.swift` in the package that you build, and build again
        """)
    }
    let files = FileManager.default
    try? files.removeItem(at: made)
    try files.createDirectory(at: made, withIntermediateDirectories: true)
    defer { try? files.removeItem(at: made) }
    try run.start()
    for (proto, new) in zip(run.files, run.outputs) {
      let planned = URL(fileURLWithPath: outputs[proto.path]!)
      // What is as it was is not compiled again.
      if files.contentsEqual(atPath: new.path, andPath: planned.path) { continue }
      try files.createDirectory(at: planned.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(contentsOf: new).write(to: planned, options: .atomic)
    }
  }
}
