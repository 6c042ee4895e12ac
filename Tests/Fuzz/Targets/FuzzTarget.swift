/// What the fuzzer feeds, by name. A target reads any bytes and stops the process when something is untrue that has to be
/// true of any input; that a call throws is no finding.
package enum FuzzTarget: String, CaseIterable, Sendable {
  /// The binary format of messages.
  case binary
  /// The JSON of messages.
  case json
  /// The text format of messages.
  case text
  /// What protoc sends the plugin.
  case plugin
  /// Service configs, endpoint files, targets.
  case config

  package func run(_ input: UnsafeRawBufferPointer) {
    switch self {
    case .binary: BinaryTarget.run(input)
    case .json: JSONTarget.run(input)
    case .text: TextTarget.run(input)
    case .plugin: PluginTarget.run(input)
    case .config: ConfigTarget.run(input)
    }
  }
}
