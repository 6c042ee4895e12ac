/// Prints a JSON object a line for each case: times, or allocations when the counters are loaded (Allocations.swift).
/// run.py makes a table of it.
@main
enum Program {
  static func main() throws {
    let only = CommandLine.arguments.dropFirst()
    let allocations = Allocations()
    for one in try Case.all() where only.isEmpty || only.contains(String(one.name.prefix(1))) {
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
}
