/// Prints a JSON object a line for each case: times, or allocations when the counters are loaded (Allocations.swift).
/// run.py makes a table of it.
///
/// `messages-bench --times N a decode volery` does one thing N times and prints nothing: for callgrind and perf.
@main
enum Program {
  static func main() throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first == "--times" { return try repeatOne(arguments) }
    let allocations = Allocations()
    for one in try Case.all() where arguments.isEmpty || arguments.contains(one.letter) {
      var fields = [
        "\"case\": \"\(one.name)\"", "\"direction\": \"\(one.direction)\"", "\"bytes\": \(one.byteCount)",
      ]
      if let allocations {
        let volery = try allocations.perTime(one.volery)
        let swiftProtobuf = try allocations.perTime(one.swiftProtobuf)
        fields.append("\"volery_allocations\": \(volery.count), \"volery_allocated\": \(volery.bytes)")
        fields.append("\"swift_protobuf_allocations\": \(swiftProtobuf.count)")
        fields.append("\"swift_protobuf_allocated\": \(swiftProtobuf.bytes)")
      } else {
        let measured = try Measurement(one, rounds: 41, roundSeconds: 0.01)
        fields.append("\"volery_ns\": \(measured.volery), \"swift_protobuf_ns\": \(measured.swiftProtobuf)")
        fields.append("\"ratio\": \(measured.ratio(at: 0.5))")
        fields.append("\"low\": \(measured.ratio(at: 0.1)), \"high\": \(measured.ratio(at: 0.9))")
      }
      print("{\(fields.joined(separator: ", "))}")
    }
  }

  private static func repeatOne(_ arguments: [String]) throws {
    guard arguments.count == 5, let times = Int(arguments[1]),
      let one = try Case.all().first(where: { $0.letter == arguments[2] && $0.direction == arguments[3] })
    else { fatalError("messages-bench --times N a|b|c|d|e|f decode|encode volery|swift-protobuf") }
    try (arguments[4] == "volery" ? one.volery : one.swiftProtobuf)(times)
  }
}
