import Foundation
import Testing

/// Runs a protobuf compiler with the plugin, as a user does.
struct ProtocRun {
  /// What was written, by its path in the output folder.
  let files: [String: String]
  /// What the compiler said.
  let error: String

  /// - Parameters:
  ///   - protos: Texts by path. All of them are generated unless `wanted` names some.
  ///   - protoc: The program; that on PATH by default.
  init(_ protos: [String: String], _ options: String = "", wanted: [String]? = nil, protoc: String = "protoc") throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("volery-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let out = folder.appendingPathComponent("out")
    let sources = folder.appendingPathComponent("protos")
    try FileManager.default.createDirectory(at: out, withIntermediateDirectories: true)
    for (path, text) in protos {
      let file = sources.appendingPathComponent(path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    let (_, error) = try GeneratedCodeTests.run(
      protoc,
      [
        "-I", sources.path, "--plugin=\(GeneratedCodeTests.plugin.path)", "--volery_out=\(out.path)",
        "--volery_opt=\(options)",
      ] + (wanted ?? protos.keys.sorted()))
    self.error = error
    files = try ProtocRun.swiftFiles(in: out)
  }

  static func swiftFiles(in folder: URL) throws -> [String: String] {
    var files: [String: String] = [:]
    for case let name as String in FileManager.default.enumerator(atPath: folder.path)! where name.hasSuffix(".swift") {
      files[name] = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }
    return files
  }
}
