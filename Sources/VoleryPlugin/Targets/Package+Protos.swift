import Foundation
import PackagePlugin

extension Package {
  /// Volery's own folder of the .proto files whose Swift it comes with; nil where Volery is not among the dependencies.
  var shippedProtos: URL? {
    var seen: Set<Package.ID> = []
    var open = [self]
    while let package = open.popLast() {
      guard seen.insert(package.id).inserted else { continue }
      let folder = package.directoryURL.appendingPathComponent("Protos")
      if package.displayName == "volery",
        FileManager.default.fileExists(atPath: folder.appendingPathComponent("google/rpc/status.proto").path)
      {
        return folder
      }
      open += package.dependencies.map(\.package)
    }
    return nil
  }

  /// What is missing around the package's .proto files, so that nobody generates their Swift and the compiler can't say why.
  /// Reads Package.swift as text, because no plugin is told which plugins a target lists: a target that is declared in
  /// another way than `.target(name: "...")` is passed over.
  ///
  /// - Parameter target: Who asks: of the targets with the build plugin the first one is told, so that it is said once; nil is
  ///   always told.
  func protoTroubles(toldTo target: String? = nil) -> [String] {
    let manifest = directoryURL.appendingPathComponent("Package.swift")
    guard let declarations = try? ManifestTargets(String(contentsOf: manifest, encoding: .utf8)) else { return [] }
    let first = declarations.all.first { other in
      other.namesVoleryPlugin && targets.contains { $0.name == other.name }
    }
    if let target, let first, first.name != target { return [] }
    var troubles: [String] = []
    for declaration in declarations.all {
      if let target = targets.first(where: { $0.name == declaration.name }) {
        guard let file = target.sourceModule?.protoFolder.found.first, !declaration.listsPlugins else { continue }
        troubles.append(
          """
          nobody generates the Swift of \(file): the target \(declaration.name) lists no plugin. Write it into Package.swift, \
          behind the target's dependencies: plugins: [.plugin(name: "VoleryPlugin", package: "volery")]
          """)
      } else {
        let folder = directoryURL.appendingPathComponent(declaration.path)
        let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        guard let proto = names.first(where: { $0.hasSuffix(".proto") }),
          !names.contains(where: { $0.hasSuffix(".swift") })
        else { continue }
        troubles.append(
          """
          SwiftPM leaves the target \(declaration.name) out: \(folder.path) has \(proto) and no Swift file. Put one into it; a \
          comment is enough
          """)
      }
    }
    return troubles
  }
}
