import Foundation

/// Says of imports that fail which file has them, where they were looked for, and what to write.
struct ImportTroubles {
  let sources: ProtoSources
  let dependencies: [(module: String, sources: ProtoSources)]
  /// Where imports are looked for, in this order.
  let importPaths: [URL]

  // MARK: Not found

  /// Each import that is in none of the folders, of the files to generate and of what those import.
  func missing(protoc: URL) -> [String] {
    var texts: [String] = []
    var seen: Set<String> = []
    var open = sources.files
    // protoc's own package has the files of google/protobuf beside it.
    let folders =
      importPaths
      + ["", "../include"].map { protoc.resolvingSymlinksInPath().deletingLastPathComponent().following($0) }
    while let file = open.popLast() {
      guard seen.insert(file.standardizedFileURL.path).inserted,
        let text = try? String(contentsOf: file, encoding: .utf8)
      else { continue }
      for name in ProtoImports(of: text).names {
        let found = folders.lazy.map { $0.appendingPathComponent(name) }
          .first { FileManager.default.fileExists(atPath: $0.path) }
        if let found { open.append(found) } else { texts.append(missing(name, in: file)) }
      }
    }
    return texts.sorted()
  }

  private func missing(_ name: String, in file: URL) -> String {
    let looked = importPaths.map(\.path).joined(separator: ", ")
    let problem = "\(file.path) imports \"\(name)\", which is in none of the folders that were searched: \(looked)."
    let configuration = sources.configurationFile.path
    if name.hasPrefix("google/protobuf/") {
      return "\(problem) It comes with protoc: install the package that has it "
        + "(Debian, Ubuntu: apt-get install libprotobuf-dev)."
    }
    guard let importPath = elsewhere(name) else {
      return """
        \(problem) Put it into \(sources.folder.appendingPathComponent(name).path), or write the folder that its name begins \
        in into \(configuration), relative to that file: {"importPaths": ["../../Protos"]}.
        """
    }
    let folder = sources.folder.relativePath(to: importPath)
    let wanted = (sources.configuration.files ?? ["."]) + [folder == "." ? name : "\(folder)/\(name)"]
    return """
      \(problem) It is in \(importPath.path): write {"importPaths": ["\(folder)"]} into \(configuration). Where no other \
      target has its Swift, this one has to generate it: "files": [\(wanted.map { "\"\($0)\"" }.joined(separator: ", "))].
      """
  }

  /// The folder in the package that the import's name begins in.
  private func elsewhere(_ name: String) -> URL? {
    guard let package = sources.folder.package,
      let names = FileManager.default.enumerator(
        at: package, includingPropertiesForKeys: nil, options: .skipsHiddenFiles)
    else { return nil }
    // A package may hold anything: it is not worth a long search.
    for case let file as URL in names.lazy.prefix(20_000) where file.path.hasSuffix("/" + name) {
      return URL(fileURLWithPath: String(file.path.dropLast(name.count + 1))).standardizedFileURL
    }
    return nil
  }

  // MARK: Not visible

  /// Throws where a file imports one whose Swift is in another module, which does not show it.
  func checkVisibility() throws {
    let ranks = ["internal": 0, "package": 1, "public": 2]
    func rank(_ configuration: Configuration) -> Int {
      ranks[configuration.visibility?.lowercased() ?? "internal"] ?? 2
    }
    for (module, other) in dependencies where other.configuration.messages ?? true {
      let isOfPackage = other.folder.package == sources.folder.package
      let needed = max(isOfPackage ? 1 : 2, rank(sources.configuration))
      guard rank(other.configuration) < needed else { continue }
      let names = Set(try other.files.map(other.name(of:)))
      for file in sources.files {
        guard let text = try? String(contentsOf: file, encoding: .utf8),
          let name = ProtoImports(of: text).names.first(where: names.contains)
        else { continue }
        let has = other.configuration.visibility ?? "internal"
        throw PluginFailure(
          """
          \(file.path) imports \"\(name)\", whose Swift in the module \(module) is \(has), so that this module can't use it: \
          write {"visibility": "\(needed == 1 ? "package" : "public")"} into \(other.configurationFile.path)
          """)
      }
    }
  }
}

extension URL {
  /// The folder of the package that this one is in; nil where no Package.swift is above.
  fileprivate var package: URL? {
    var folder = standardizedFileURL
    while folder.path != "/" {
      if FileManager.default.fileExists(atPath: folder.appendingPathComponent("Package.swift").path) { return folder }
      folder.deleteLastPathComponent()
    }
    return nil
  }

  /// How a configuration in this folder writes another one.
  fileprivate func relativePath(to other: URL) -> String {
    let own = standardizedFileURL.pathComponents
    let others = other.standardizedFileURL.pathComponents
    let common = zip(own, others).prefix { $0 == $1 }.count
    let path = Array(repeating: "..", count: own.count - common) + others.dropFirst(common)
    return path.isEmpty ? "." : path.joined(separator: "/")
  }
}
