import VoleryPrimitives
import VoleryTypes
import VoleryWellKnownTypes

extension LogGrpcLogEntry {
  /// Bytes of a message that a line shows.
  private static let shownBytes = 64

  /// A line for people. What peers have sent is escaped: it can neither steer a terminal nor pass for a line of its own.
  package var line: String {
    var words = [timestamp?.rfc3339 ?? "-", "\(side) \(callID).\(sequenceIDWithinCall)", event]
    switch payload {
    case .clientHeader(let header):
      words.append(String(foreign: header.methodName))
      if !header.authority.isEmpty { words.append("authority=\(String(foreign: header.authority))") }
      if let timeout = header.timeout { words.append("timeout=\(timeout.duration)") }
      words += LogGrpcLogEntry.words(of: header.metadata)
    case .serverHeader(let header): words += LogGrpcLogEntry.words(of: header.metadata)
    case .message(let message):
      words.append("\(message.length) bytes")
      if !message.data.isEmpty { words.append(LogGrpcLogEntry.hex(message.data)) }
    case .trailer(let trailer):
      words.append(StatusCode(rawValue: Int(trailer.statusCode)).map { "\($0)" } ?? "code \(trailer.statusCode)")
      if !trailer.statusMessage.isEmpty { words.append("\"\(String(foreign: trailer.statusMessage))\"") }
      words += LogGrpcLogEntry.words(of: trailer.metadata)
      if !trailer.statusDetails.isEmpty { words.append("details=\(LogGrpcLogEntry.hex(trailer.statusDetails))") }
    case nil: break
    }
    if let peer { words.append("peer=\(peer.text)") }
    if payloadTruncated { words.append("(truncated)") }
    return words.joined(separator: " ")
  }

  private var side: String {
    switch logger {
    case .client: "client"
    case .server: "server"
    default: "?"
    }
  }

  private var event: String {
    switch type {
    case .clientHeader: "CLIENT_HEADER"
    case .serverHeader: "SERVER_HEADER"
    case .clientMessage: "CLIENT_MESSAGE"
    case .serverMessage: "SERVER_MESSAGE"
    case .clientHalfClose: "CLIENT_HALF_CLOSE"
    case .serverTrailer: "SERVER_TRAILER"
    case .cancel: "CANCEL"
    default: "EVENT_\(type.rawValue)"
    }
  }

  private static func words(of metadata: LogMetadata?) -> [String] {
    (metadata?.entry ?? []).map { entry in
      let key = String(foreign: entry.key)
      return key.hasSuffix("-bin")
        ? "\(key)=\(hex(entry.value))" : "\(key)=\"\(String(foreign: String(decoding: entry.value, as: UTF8.self)))\""
    }
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    var text = ""
    for byte in bytes.prefix(shownBytes) {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return bytes.count > shownBytes ? text + "…" : text
  }
}

extension LogAddress {
  fileprivate var text: String {
    let address = String(foreign: address)
    return switch type {
    case .ipv4: "\(address):\(ipPort)"
    case .ipv6: "[\(address)]:\(ipPort)"
    default: address
    }
  }
}
