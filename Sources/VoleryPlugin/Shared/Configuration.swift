import Foundation

/// What `volery-protoc.json` in a target's folder says. Every member may be left out; paths are relative to that folder.
struct Configuration: Decodable {
  static let fileName = "volery-protoc.json"

  /// The .proto files, or folders of them, to generate code of; left out: all in the target.
  var files: [String]?
  /// Where imports are looked for, and what the files' own names are relative to; the target's folder comes last.
  var importPaths: [String]?
  /// `internal` (the default), `package` or `public`.
  var visibility: String?
  /// `PathToUnderscores` (the default: names in a module have to differ), `FullPath` or `DropPath`.
  var fileNaming: String?
  /// Whether clients of services are generated; true.
  var client: Bool?
  /// Whether clients get a protocol, for code that takes something else in its tests; false.
  var clientProtocol: Bool?
  /// Whether what servers implement is generated; true.
  var server: Bool?
  /// Whether messages and enums are generated; true.
  var messages: Bool?
  /// What top-level types' names start with: `none`, `package` or a text.
  var prefix: String?
  /// What the generated files import, joined by `+`; `Volery`.
  var module: String?
  /// Swift module by .proto file, for code that other modules have. Targets that this one depends on need no mention.
  var moduleMappings: [String: String]?
  /// A file with such mappings in text format.
  var moduleMappingsFile: String?
  /// The compiler, where it should not be the one on PATH.
  var protocPath: String?
  /// Given to protoc as they are.
  var protocArguments: [String]?

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case files, importPaths, visibility, fileNaming, client, clientProtocol, server, messages, prefix, module
    case moduleMappings, moduleMappingsFile, protocPath, protocArguments
  }

  init() {}

  /// The configuration in a folder; nil when there is none.
  init?(folder: URL) throws {
    let file = folder.appendingPathComponent(Configuration.fileName)
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    do {
      let data = try Data(contentsOf: file)
      try Configuration.checkNames(data)
      self = try JSONDecoder().decode(Configuration.self, from: data)
    } catch let error as PluginFailure {
      throw PluginFailure("\(file.path): \(error)")
    } catch DecodingError.typeMismatch(let type, let context) {
      let name = context.codingPath.map(\.stringValue).joined(separator: ".")
      throw PluginFailure("\(file.path): '\(name)' has to be a \(type)")
    } catch {
      throw PluginFailure("\(file.path): \(error)")
    }
  }

  /// A misspelt name would be passed over in silence otherwise.
  private static func checkNames(_ data: Data) throws {
    guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw PluginFailure("it has to be a JSON object")
    }
    let known = CodingKeys.allCases.map(\.rawValue)
    for name in object.keys.sorted() where !known.contains(name) {
      throw PluginFailure("'\(name)' is unknown; known are \(known.joined(separator: ", "))")
    }
  }
}

/// An error in words for whoever builds.
struct PluginFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
