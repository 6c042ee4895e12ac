import Foundation

/// A package's folder with targets of .proto files, as the plugins see it; removed with the object.
final class PackageFolder {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  /// The tests' own bundle lies beside the programs.
  private static let plugin = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("protoc-gen-volery")

  let url = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
    .appendingPathComponent("volery-\(UUID().uuidString)")

  /// - Parameter files: Texts by path.
  init(_ files: [String: String]) throws {
    for (path, text) in files.merging(["Package.swift": ""], uniquingKeysWith: { own, _ in own }) {
      try write(text, to: path)
    }
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func write(_ text: String, to path: String) throws {
    let file = url.appendingPathComponent(path)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try text.write(to: file, atomically: true, encoding: .utf8)
  }

  private func folder(_ target: String) throws -> TargetPlan.Folder {
    let url = url.appendingPathComponent("Sources/\(target)")
    return TargetPlan.Folder(module: target, path: url.path, found: try ProtoSources.protos(at: url).map(\.path))
  }

  /// Plans and runs the generation of one target's Swift, as a build does.
  ///
  /// - Returns: The generated files, joined.
  func generate(_ target: String, after dependencies: [String] = []) throws -> String {
    let output = url.appendingPathComponent("out/\(target)")
    let plan = try TargetPlan(
      target: folder(target), dependencies: dependencies.map(folder),
      shipped: PackageFolder.root.appendingPathComponent("Protos"), plugin: PackageFolder.plugin, output: output)
    // Through JSON, as the build's command gets it.
    try JSONDecoder().decode(TargetPlan.self, from: JSONEncoder().encode(plan)).carryOut()
    return try plan.outputs.values.sorted().map { try String(contentsOfFile: $0, encoding: .utf8) }.joined()
  }
}
