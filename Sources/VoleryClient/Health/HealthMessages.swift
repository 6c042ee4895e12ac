import VoleryTypes

/// The two messages of grpc.health.v1.Health/Watch that a channel needs, on the wire: this module has no protobuf. What it
/// does not know it skips, as protobuf does.
enum HealthMessages {
  static let path = "/grpc.health.v1.Health/Watch"
  static let serving = 1
  static let notServing = 2

  /// HealthCheckRequest { string service = 1; }, framed.
  static func request(service: String) -> MessageFrame {
    var message = WireWriter()
    if !service.isEmpty { message.append(bytes: service.utf8, field: 1) }
    var sink = MessageSink()
    sink.write(message.bytes)
    return sink.finish()
  }

  /// HealthCheckResponse { ServingStatus status = 1; }: the status's number; nil when these bytes are no such message.
  static func status(of message: [UInt8]) -> Int? {
    var status = 0
    var fields = WireFields(message[...])
    while let field = fields.next() {
      if field.number == 1, case .varint(let value) = field.value { status = Int(Int32(truncatingIfNeeded: value)) }
    }
    return fields.isBroken ? nil : status
  }
}
