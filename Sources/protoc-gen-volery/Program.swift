import VoleryGenerator

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A protoc plugin: a CodeGeneratorRequest on standard input, a CodeGeneratorResponse on standard output.
@main
enum Program {
  static func main() {
    switch CommandLine.arguments.dropFirst().first {
    case "--help", "-h": return print(PluginHelp.text)
    case "--version": return print(PluginHelp.version)
    case let argument?: fail("unknown argument \(argument); see --help")
    case nil: break
    }
    do throws(CodeGenerator.NotARequest) {
      let generator = CodeGenerator { path throws(ReadError) in
        let file = open(path, O_RDONLY)
        guard file >= 0 else { throw ReadError(reason: String(cString: strerror(errno))) }
        defer { close(file) }
        return contents(file)
      }
      writeAll(try generator.response(to: contents(STDIN_FILENO)), to: STDOUT_FILENO)
    } catch {
      fail(
        "standard input is not a CodeGeneratorRequest (\(error.reason)); this program is run by protoc, see --help")
    }
  }

  private struct ReadError: Error, CustomStringConvertible {
    let reason: String
    var description: String { reason }
  }

  private static func fail(_ message: String) -> Never {
    writeAll(Array("protoc-gen-volery: \(message)\n".utf8), to: STDERR_FILENO)
    exit(1)
  }

  private static func contents(_ file: Int32) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = read(file, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
    return bytes
  }

  private static func writeAll(_ bytes: [UInt8], to file: Int32) {
    bytes.withUnsafeBytes { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = write(file, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        guard count > 0 else { exit(1) }
        rest = rest.dropFirst(count)
      }
    }
  }
}
