import ArgumentParser
import VoleryBinaryLog
import VoleryProtobuf

/// Prints a binary log, of Volery or of anybody who writes gRFC A16's entries with their lengths in four bytes before them.
@main
struct Program: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "volery-binlog", abstract: "Prints a gRPC binary log (gRFC A16), an entry a line.")

  @Argument(help: "The file.") var file: String
  @Flag(help: "Each entry as JSON, with all of its bytes.") var json = false
  @Option(help: "Only this call, by its number.") var call: UInt64?

  func run() throws {
    var reader = try BinaryLogReader(file)
    while let entry = try reader.next() {
      guard call == nil || entry.callID == call else { continue }
      print(json ? try entry.jsonString() : entry.line)
    }
  }
}
