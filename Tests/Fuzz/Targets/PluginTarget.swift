import TestMessages
import VoleryGenerator
import VoleryProtobuf

/// The bytes of a CodeGeneratorRequest. protoc checks what it sends, but nobody has to be protoc.
enum PluginTarget {
  /// A file that the options may name: the fuzzer must read none of the machine's.
  private static let mappings = Array("mapping { module_name: \"Orders\" proto_file_path: \"orders.proto\" }".utf8)

  static func run(_ input: UnsafeRawBufferPointer) {
    let generator = CodeGenerator { _ in mappings }
    guard let response = try? generator.response(to: Array(input)) else { return }
    precondition((try? Nothing(decoding: response)) != nil, "the response is no message")
  }
}
