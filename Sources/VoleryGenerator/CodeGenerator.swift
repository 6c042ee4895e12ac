import VoleryProtobuf

/// What protoc asks a plugin for, answered: a CodeGeneratorRequest's bytes in, a CodeGeneratorResponse's out
/// (google/protobuf/compiler/plugin.proto). Knows no files and no processes but by `readFile`, so that tests and the
/// fuzzer can call it.
package struct CodeGenerator {
  /// The bytes are no request that protoc would send. Everything else that is wrong is said in the response.
  package struct NotARequest: Error {
    package let reason: String
  }

  private let readFile: (_ path: String) throws -> [UInt8]

  /// `readFile` gives the contents of a file that an option names; what it throws becomes the response's error.
  package init(readFile: @escaping (_ path: String) throws -> [UInt8]) {
    self.readFile = readFile
  }

  package func response(to request: [UInt8]) throws(NotARequest) -> [UInt8] {
    var response = Response()
    do {
      try generate(request, into: &response)
    } catch let error as ProtobufError {
      throw NotARequest(reason: "\(error)")
    } catch let error as NotARequest {
      throw error
    } catch {
      response = Response(error: "\(error)")
    }
    return response.encoded()
  }

  private func generate(_ bytes: [UInt8], into response: inout Response) throws {
    let request = try Node(bytes)
    let wanted = request.strings(1)
    guard !wanted.isEmpty else { throw NotARequest(reason: "it names no file") }
    let options = try PluginOptions(request.string(2) ?? "", readFile: readFile)
    let files = try request.nodes(15).map(FileDescriptor.init)
    let types = try TypeTable(files, options, generated: Set(wanted))
    let outputs = OutputNames(wanted, options.fileNaming)
    for name in wanted {
      guard let file = files.first(where: { $0.name == name }) else {
        throw PluginError("\(name) is not in the request")
      }
      let content = try FileEmitter(file: file, types: types, options: options, generated: Set(wanted)).emit()
      response.files.append((outputs[name], content))
    }
  }

  /// CodeGeneratorResponse.
  private struct Response {
    var error: String?
    var files: [(name: String, content: String)] = []

    func encoded() -> [UInt8] {
      var out: [UInt8] = []
      if let error { append(1, Array(error.utf8), to: &out) }
      out += [2 << 3, 1 | 2]  // supported_features: FEATURE_PROTO3_OPTIONAL, FEATURE_SUPPORTS_EDITIONS
      // minimum_edition is PROTO2.
      out += [3 << 3] + WireFields.varint(998) + [4 << 3] + WireFields.varint(FileDescriptor.editions.upperBound)
      for file in files {
        var message: [UInt8] = []
        append(1, Array(file.name.utf8), to: &message)
        append(15, Array(file.content.utf8), to: &message)
        append(15, message, to: &out)
      }
      return out
    }

    private func append(_ number: Int, _ bytes: [UInt8], to out: inout [UInt8]) {
      out += WireFields.varint(number << 3 | 2) + WireFields.varint(bytes.count) + bytes
    }
  }
}
