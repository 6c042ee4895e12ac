import VoleryProtobuf

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A protoc plugin: a CodeGeneratorRequest on standard input, a CodeGeneratorResponse on standard output
/// (google/protobuf/compiler/plugin.proto).
@main
enum Program {
  static func main() {
    switch CommandLine.arguments.dropFirst().first {
    case "--help", "-h": return print(PluginOptions.help)
    case "--version": return print(PluginOptions.version)
    case let argument?: fail("unknown argument \(argument); see --help")
    case nil: break
    }
    var response = Response()
    do {
      try generate(Array(readInput()), into: &response)
    } catch let error as ProtobufError {
      fail("standard input is not a CodeGeneratorRequest (\(error)); this program is run by protoc, see --help")
    } catch {
      response.error = "\(error)"
    }
    response.write()
  }

  private static func generate(_ input: [UInt8], into response: inout Response) throws {
    let request = try Node(input)
    let wanted = request.strings(1)
    guard !wanted.isEmpty else {
      fail("standard input is not a CodeGeneratorRequest (it names no file); this program is run by protoc, see --help")
    }
    let options = try PluginOptions(request.string(2) ?? "")
    let files = try request.nodes(15).map(FileDescriptor.init)
    let types = TypeTable(files, options)
    for name in wanted {
      guard let file = files.first(where: { $0.name == name }) else {
        throw PluginError("\(name) is not in the request")
      }
      response.files.append(
        (options.outputName(name), try FileEmitter(file: file, types: types, options: options).emit()))
    }
  }

  private static func fail(_ message: String) -> Never {
    let line = Array("protoc-gen-volery: \(message)\n".utf8)
    _ = Glibc.write(2, line, line.count)
    exit(1)
  }

  private static func readInput() -> [UInt8] {
    var input: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(0, &buffer, buffer.count)
      guard count > 0 else { return input }
      input += buffer[..<count]
    }
  }

  /// CodeGeneratorResponse.
  private struct Response {
    var error: String?
    var files: [(name: String, content: String)] = []

    func write() {
      var out: [UInt8] = []
      if let error { append(1, Array(error.utf8), to: &out) }
      out += [2 << 3, 1 | 2]  // supported_features: FEATURE_PROTO3_OPTIONAL, FEATURE_SUPPORTS_EDITIONS
      out += [3 << 3] + varint(998) + [4 << 3] + varint(1000)  // minimum_edition PROTO2, maximum_edition 2023
      for file in files {
        var message: [UInt8] = []
        append(1, Array(file.name.utf8), to: &message)
        append(15, Array(file.content.utf8), to: &message)
        append(15, message, to: &out)
      }
      out.withUnsafeBytes { bytes in
        var rest = bytes[...]
        while !rest.isEmpty {
          let count = Glibc.write(1, UnsafeRawBufferPointer(rebasing: rest).baseAddress!, rest.count)
          guard count > 0 else { return }
          rest = rest.dropFirst(count)
        }
      }
    }

    private func append(_ number: Int, _ bytes: [UInt8], to out: inout [UInt8]) {
      out += varint(number << 3 | 2) + varint(bytes.count) + bytes
    }

    private func varint(_ value: Int) -> [UInt8] {
      var rest = value
      var out: [UInt8] = []
      while rest >= 0x80 {
        out.append(UInt8(rest & 0x7f) | 0x80)
        rest >>= 7
      }
      return out + [UInt8(rest)]
    }
  }
}
