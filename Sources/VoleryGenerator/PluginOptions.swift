/// What the user may tell the plugin: `--volery_opt=Name=Value,Name=Value`. Docs/Codegen.md has the same table.
struct PluginOptions {
  enum Prefix: Equatable {
    case none, package
    case fixed(String)
  }

  var visibility = "internal"
  /// Whether a service's client, its server side, and the file's messages and enums are generated.
  var client = true
  var server = true
  var messages = true
  /// Whether a client gets a protocol, for code that takes a stand-in in tests.
  var clientProtocol = false
  var fileNaming = OutputNames.Naming.fullPath
  var module = "Volery"
  var prefix: Prefix = .none
  /// The Swift module of .proto files that other targets have the code of.
  var modules: [String: String] = [:]
  fileprivate let readFile: (_ path: String) throws -> [UInt8]

  /// `readFile` gives the contents of files that options name.
  init(_ parameter: String, readFile: @escaping (_ path: String) throws -> [UInt8]) throws {
    self.readFile = readFile
    for part in parameter.split(separator: ",") {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        .map { $0.trimmingSpaces() }
      guard pair.count == 2, !pair[0].isEmpty else { throw PluginError("the option \"\(part)\" is not NAME=VALUE") }
      guard let option = Option.all.first(where: { $0.name == pair[0] }) else {
        let known = Option.all.map(\.name).joined(separator: ", ")
        throw PluginError("the option \"\(pair[0])\" is unknown; known are \(known)")
      }
      guard try option.set(pair[1], &self) else {
        throw PluginError("the option \(option.name) can't be \"\(pair[1])\"; it takes \(option.values)")
      }
    }
  }

  /// Whether anything of a service is wanted.
  var services: Bool { client || server }

  /// The Swift module of a .proto file that another module has; nil where it is in this one, or imported already.
  func module(of file: String) -> String? {
    if let module = modules[file] { return module }
    guard !module.split(separator: "+").contains("Volery") else { return nil }
    return WellKnownFiles.modules[file]
  }

  /// The Swift module of a .proto file that another module has, or of one whose Swift comes with Volery; nil where it is in
  /// this module.
  func moduleOrWellKnown(of file: String) -> String? { modules[file] ?? WellKnownFiles.modules[file] }

  /// The module of Volery's that has the Swift of a file, so that none is generated; nil where there is none, and where a
  /// mapping makes it a file like any other.
  func shippedModule(of file: String) -> String? { modules[file] == nil ? WellKnownFiles.modules[file] : nil }
}

extension PluginOptions {
  /// One option: what `--help` says of it, and what it sets.
  struct Option: Sendable {
    let name: String
    let values: String
    let help: String
    /// False: the value is not one of `values`.
    let set: @Sendable (_ value: String, _ options: inout PluginOptions) throws -> Bool
  }

  private static func switching(
    _ place: any WritableKeyPath<PluginOptions, Bool> & Sendable
  ) -> @Sendable (String, inout PluginOptions) -> Bool {
    { value, options in
      guard let isOn = ["true": true, "false": false][value.lowercased()] else { return false }
      options[keyPath: place] = isOn
      return true
    }
  }
}

extension PluginOptions.Option {
  static let all: [PluginOptions.Option] = [
    PluginOptions.Option(
      name: "Visibility", values: "internal|package|public",
      help: "Access of what is generated. Default: internal."
    ) { value, options in
      options.visibility = value.lowercased()
      return ["internal", "package", "public"].contains(options.visibility)
    },
    PluginOptions.Option(
      name: "FileNaming", values: "FullPath|PathToUnderscores|DropPath",
      help: """
        Where the Swift of a/b.proto goes: a/b.volery.swift, a_b.volery.swift or b.volery.swift. Two files of one
        name can't be in one Swift module: FullPath needs names that differ. Default: FullPath.
        """
    ) { value, options in
      let naming = OutputNames.Naming(option: value)
      options.fileNaming = naming ?? options.fileNaming
      return naming != nil
    },
    PluginOptions.Option(
      name: "Client", values: "true|false", help: "Generate clients of services. Default: true.",
      set: PluginOptions.switching(\.client)),
    PluginOptions.Option(
      name: "ClientProtocol", values: "true|false",
      help: "Generate a protocol for each client, for code that takes something else in its tests. Default: false.",
      set: PluginOptions.switching(\.clientProtocol)),
    PluginOptions.Option(
      name: "Server", values: "true|false", help: "Generate what servers of services implement. Default: true.",
      set: PluginOptions.switching(\.server)),
    PluginOptions.Option(
      name: "Messages", values: "true|false",
      help: """
        Generate messages and enums. With false they have to be in the same module, or in the one that ProtoModule
        names for this file. Default: true.
        """, set: PluginOptions.switching(\.messages)),
    PluginOptions.Option(
      name: "ProtoModule", values: "FILE:MODULE",
      help: "The code of the .proto FILE (its name as in an import) is in the Swift module MODULE. May be given often."
    ) { value, options in
      let pair = value.split(separator: ":").map(String.init)
      guard pair.count == 2 else { return false }
      options.modules[pair[0]] = pair[1]
      return true
    },
    PluginOptions.Option(
      name: "ModuleMappings", values: "PATH",
      help: """
        A file that says the same for many .proto files, in text format:
        mapping { module_name: "Orders" proto_file_path: "orders/a.proto" proto_file_path: "orders/b.proto" }
        """
    ) { value, options in
      options.modules.merge(try ModuleMappings(path: value, readFile: options.readFile).modules) { own, _ in own }
      return true
    },
    PluginOptions.Option(
      name: "Prefix", values: "none|package|TEXT",
      help: """
        Put before the names of top-level types: nothing, the .proto's package as Package_Name_, or TEXT. A file's
        own swift_prefix option wins. Default: none.
        """
    ) { value, options in
      options.prefix = value == "none" ? .none : value == "package" ? .package : .fixed(value)
      return SwiftNames.isPrefix(value)
    },
    PluginOptions.Option(
      name: "Module", values: "NAME[+NAME...]",
      help: "What the generated files import, instead of Volery. VoleryProtobuf is enough for messages alone."
    ) { value, options in
      options.module = value
      return !value.isEmpty
    },
  ]
}

extension Substring {
  func trimmingSpaces() -> String {
    var text = self.drop { $0 == " " }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}

package enum PluginHelp {
  /// What `--version` prints.
  package static let version = "protoc-gen-volery 0.1.0"

  /// What `--help` prints.
  package static var text: String {
    let options = PluginOptions.Option.all.map { option in
      let lines = option.help.split(separator: "\n").map { "        \($0)" }.joined(separator: "\n")
      return "  \(option.name)=\(option.values)\n\(lines)"
    }
    return """
      protoc-gen-volery: a protoc plugin that writes Swift for Volery, one file for each .proto.

        protoc --plugin=PATH/protoc-gen-volery --volery_out=OUT [--volery_opt=NAME=VALUE,...] FILE.proto ...

      The plugin is found without --plugin when it is on PATH. It works with buf, too: see Docs/Codegen.md.

      Options, separated by commas or given by several --volery_opt:
      \(options.joined(separator: "\n"))

      Flags, without protoc:
        --help      print this
        --version   print the version
      """
  }
}
