/// What the user may tell the plugin: `--volery_opt=Name=Value,Name=Value`.
struct PluginOptions {
  enum Services: String { case both, client, server, none }
  enum FileNaming: String {
    case fullPath = "FullPath"
    case pathToUnderscores = "PathToUnderscores"
    case dropPath = "DropPath"
  }

  var visibility = "internal"
  var services = Services.both
  var fileNaming = FileNaming.fullPath
  var module = "Volery"
  var prefix: Prefix = .none
  /// The Swift module of .proto files that other targets have the code of.
  var modules: [String: String] = [:]

  enum Prefix: Equatable {
    case none, package
    case fixed(String)
  }

  static let help = """
    protoc-gen-volery: a protoc plugin that writes Swift for Volery, one file for each .proto.

      protoc --plugin=protoc-gen-volery=PATH --volery_out=OUT [--volery_opt=NAME=VALUE,...] FILE.proto ...

    Options:
      Visibility=internal|package|public       access of what is generated (internal)
      Services=both|client|server|none         what is generated for services (both)
      FileNaming=FullPath|PathToUnderscores|DropPath
                                               where the files go: a/b.proto becomes a/b.volery.swift, a_b.volery.swift
                                               or b.volery.swift (FullPath)
      Prefix=none|package|TEXT                 put before the names of top-level types: nothing, Package_Name_, or TEXT
                                               (none; a file's own swift_prefix option wins)
      Module=NAME                              what the files import, several joined by + (Volery; VoleryProtobuf for messages alone)
      ProtoModule=FILE:NAME                    the code of this .proto is in the Swift module NAME; may be given often
    """

  init(_ parameter: String) throws {
    for part in parameter.split(separator: ",") {
      let pair = part.split(separator: "=", maxSplits: 1).map { $0.trimmingSpaces() }
      guard pair.count == 2 else { throw PluginError("the option \"\(part)\" is not NAME=VALUE") }
      try set(pair[0], pair[1])
    }
  }

  private mutating func set(_ name: String, _ value: String) throws {
    switch name {
    case "Visibility":
      guard ["internal", "package", "public"].contains(value.lowercased()) else { throw unknown(name, value) }
      visibility = value.lowercased()
    case "Services":
      guard let services = Services(rawValue: value.lowercased()) else { throw unknown(name, value) }
      self.services = services
    case "FileNaming":
      guard let naming = FileNaming(rawValue: value) else { throw unknown(name, value) }
      fileNaming = naming
    case "Prefix": prefix = value == "none" ? .none : value == "package" ? .package : .fixed(value)
    case "Module": module = value
    case "ProtoModule":
      let pair = value.split(separator: ":").map(String.init)
      guard pair.count == 2 else { throw unknown(name, value) }
      modules[pair[0]] = pair[1]
    default:
      throw PluginError(
        "the option \"\(name)\" is unknown; known are Visibility, Services, FileNaming, Prefix, Module and ProtoModule")
    }
  }

  private func unknown(_ name: String, _ value: String) -> PluginError {
    PluginError("the option \(name) can't be \"\(value)\"")
  }

  func outputName(_ proto: String) -> String {
    let stem = proto.hasSuffix(".proto") ? String(proto.dropLast(6)) : proto
    switch fileNaming {
    case .fullPath: return stem + ".volery.swift"
    case .pathToUnderscores: return stem.split(separator: "/").joined(separator: "_") + ".volery.swift"
    case .dropPath: return (stem.split(separator: "/").last.map(String.init) ?? stem) + ".volery.swift"
    }
  }
}

extension Substring {
  func trimmingSpaces() -> String {
    var text = self.drop { $0 == " " }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
