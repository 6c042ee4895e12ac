import Foundation
import Testing

/// Runs a protobuf compiler with the plugin, as a user does.
struct ProtocRun {
  enum Compiler: String, CaseIterable {
    /// That on PATH: Debian's 3.21.
    case protoc
    /// The newest, and buf: in the Python environment of the interoperability tests.
    case newest, buf

    private static let environment = Result {
      let script = GeneratedCodeTests.root.appendingPathComponent("Tests/Interop/environment.sh").path
      let python = try GeneratedCodeTests.output(script, []).trimmingCharacters(in: .newlines)
      return URL(fileURLWithPath: python).deletingLastPathComponent()
    }

    var program: String {
      get throws {
        switch self {
        case .protoc: "protoc"
        case .newest: try Compiler.environment.get().appendingPathComponent("protoc").path
        case .buf: try Compiler.environment.get().appendingPathComponent("buf").path
        }
      }
    }
  }

  /// What was written, by its path in the output folder.
  let files: [String: String]
  /// What the compiler said.
  let error: String

  /// - Parameters:
  ///   - protos: Texts by path. All of them are generated unless `wanted` names some, which buf can't.
  init(
    _ protos: [String: String], _ options: String = "", wanted: [String]? = nil, by compiler: Compiler = .protoc
  ) throws {
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
    let plugin = GeneratedCodeTests.plugin.path
    if compiler == .buf {
      let template = """
        {"version": "v2", "plugins": [{"local": "\(plugin)", "out": "\(out.path)", "strategy": "all", "opt": "\(options)"}]}
        """
      // Its cache is in here, too.
      let command = ["HOME=\(folder.path)", try compiler.program, "generate", sources.path, "--template", template]
      error = try GeneratedCodeTests.run("env", command).error
    } else {
      error = try GeneratedCodeTests.run(
        try compiler.program,
        ["-I", sources.path, "--plugin=\(plugin)", "--volery_out=\(out.path)", "--volery_opt=\(options)"]
          + (wanted ?? protos.keys.sorted())
      ).error
    }
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
