import VoleryTypes

/// The two messages of grpc.health.v1.Health/Watch that a channel needs, on the wire: this module has no protobuf. What it
/// does not know it skips, as protobuf does.
enum HealthMessages {
  static let path = "/grpc.health.v1.Health/Watch"
  static let serving = 1
  static let notServing = 2

  /// HealthCheckRequest { string service = 1; }, framed.
  static func request(service: String) -> MessageFrame {
    let name = Array(service.utf8)
    var message: [UInt8] = []
    if !name.isEmpty {
      message.append(0x0a)
      appendVarint(UInt64(name.count), to: &message)
      message += name
    }
    var sink = MessageSink()
    sink.write(message)
    return sink.finish()
  }

  /// HealthCheckResponse { ServingStatus status = 1; }: the status's number; nil when these bytes are no such message.
  static func status(of message: [UInt8]) -> Int? {
    var rest = message[...]
    var status = 0
    while !rest.isEmpty {
      guard let tag = varint(&rest), tag >> 3 != 0 else { return nil }
      switch tag & 7 {
      case 0:
        guard let value = varint(&rest) else { return nil }
        if tag >> 3 == 1 { status = Int(Int32(truncatingIfNeeded: value)) }
      case 1: guard skip(8, &rest) else { return nil }
      case 2: guard let count = varint(&rest), skip(count, &rest) else { return nil }
      case 5: guard skip(4, &rest) else { return nil }
      default: return nil
      }
    }
    return status
  }

  private static func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
    var value = value
    while value >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    bytes.append(UInt8(value))
  }

  private static func varint(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 70, by: 7) {
      guard let byte = bytes.popFirst() else { return nil }
      if shift < 64 { value |= UInt64(byte & 0x7f) << UInt64(shift) }
      if byte < 0x80 { return value }
    }
    return nil
  }

  private static func skip(_ count: UInt64, _ bytes: inout ArraySlice<UInt8>) -> Bool {
    guard count <= UInt64(bytes.count) else { return false }
    bytes.removeFirst(Int(count))
    return true
  }
}
