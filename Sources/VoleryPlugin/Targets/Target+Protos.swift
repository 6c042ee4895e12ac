import Foundation
import PackagePlugin

extension SourceModuleTarget {
  /// The target's folder and the .proto files that SwiftPM finds in it.
  var protoFolder: TargetPlan.Folder {
    TargetPlan.Folder(
      module: moduleName, path: directoryURL.path, found: sourceFiles(withSuffix: ".proto").map(\.url.path))
  }
}

extension Target {
  /// The targets that this one depends on, directly or not: the code of their .proto files is in their modules.
  var dependenciesWithProtos: [(module: String, sources: ProtoSources)] {
    get throws {
      try protoFoldersOfDependencies.map { ($0.module, try $0.sources) }.filter { !$0.1.files.isEmpty }
    }
  }

  var protoFoldersOfDependencies: [TargetPlan.Folder] {
    recursiveTargetDependencies.compactMap(\.sourceModule?.protoFolder)
  }
}
