import VoleryGenerator
import VoleryPlatform

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
        return try contents(file)
      }
      writeAll(try generator.response(to: standardInput()), to: STDOUT_FILENO)
    } catch {
      fail(
        "standard input is not a CodeGeneratorRequest (\(error.reason)); this program is run by protoc, see --help")
    }
  }

  private struct ReadError: Error, CustomStringConvertible {
    let reason: String
    var description: String { reason }
  }

  private static func standardInput() -> [UInt8] {
    do throws(ReadError) { return try contents(STDIN_FILENO) } catch { fail("standard input can't be read: \(error)") }
  }

  private static func fail(_ message: String) -> Never {
    writeAll(Array("protoc-gen-volery: \(message)\n".utf8), to: STDERR_FILENO)
    exit(1)
  }

  /// To the end; a read that fails is no end.
  private static func contents(_ file: Int32) throws(ReadError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(file, &buffer, buffer.count)
      if count > 0 {
        bytes += buffer[..<count]
      } else if count == 0 {
        return bytes
      } else if errno != EINTR {
        throw ReadError(reason: String(cString: strerror(errno)))
      }
    }
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
