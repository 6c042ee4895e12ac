import Foundation

/// The .proto files of one target, and the folders that their names are relative to.
struct ProtoSources {
  let configuration: Configuration
  let folder: URL
  let files: [URL]
  let importPaths: [URL]

  /// - Parameter found: The .proto files to take where the configuration names none.
  init(folder: URL, configuration: Configuration, found: [URL]) throws {
    self.folder = folder
    self.configuration = configuration
    files =
      try configuration.files.map { try $0.flatMap { try ProtoSources.protos(at: folder.following($0)) } } ?? found
    importPaths = (configuration.importPaths ?? []).map(folder.following) + [folder.standardizedFileURL]
  }

  /// Where the configuration is, or would be.
  var configurationFile: URL { folder.appendingPathComponent(Configuration.fileName) }

  /// The files that decide what is generated, and the folders whose lists of files do.
  var inputs: [URL] {
    var inputs = files
    for named in configuration.files ?? [] { inputs += ProtoSources.folders(at: folder.following(named)) }
    if FileManager.default.fileExists(atPath: configurationFile.path) { inputs.append(configurationFile) }
    if let mappings = configuration.moduleMappingsFile { inputs.append(folder.following(mappings)) }
    return inputs.map(\.standardizedFileURL)
  }

  /// A folder and those in it; none where there is a file.
  private static func folders(at url: URL) -> [URL] {
    func isFolder(_ url: URL) -> Bool {
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) && isFolder.boolValue
    }
    guard isFolder(url) else { return [] }
    let names = FileManager.default.enumerator(atPath: url.path)?.compactMap { $0 as? String } ?? []
    return [url] + names.sorted().map { url.appendingPathComponent($0) }.filter(isFolder)
  }

  /// The .proto files in a folder and below it, in order, or the file itself.
  static func protos(at url: URL) throws -> [URL] {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
      throw PluginFailure("there is no file \(url.path)")
    }
    guard isFolder.boolValue else { return [url] }
    let names = FileManager.default.enumerator(atPath: url.path)?.compactMap { $0 as? String } ?? []
    return names.filter { $0.hasSuffix(".proto") }.sorted().map { url.appendingPathComponent($0) }
  }

  /// A file's name as an import writes it: relative to the first import path that holds it, as protoc sees it.
  func name(of file: URL) throws -> String {
    let path = file.standardizedFileURL.path
    for importPath in importPaths {
      let start = importPath.path.hasSuffix("/") ? importPath.path : importPath.path + "/"
      if path.hasPrefix(start) { return String(path.dropFirst(start.count)) }
    }
    throw PluginFailure(
      "\(path) is in none of the import paths: name a folder that holds it in 'importPaths' of "
        + configurationFile.path)
  }
}

extension URL {
  /// A path as written in a configuration: absolute, or relative to this folder.
  func following(_ path: String) -> URL {
    (path.hasPrefix("/") ? URL(fileURLWithPath: path) : appendingPathComponent(path)).standardizedFileURL
  }
}
