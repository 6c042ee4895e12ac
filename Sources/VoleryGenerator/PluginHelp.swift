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
