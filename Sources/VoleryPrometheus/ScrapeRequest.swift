/// What is known of a request for the metrics: its bytes so far in, what to do out. A value without I/O, of HTTP/1.0 and 1.1. Of a
/// request only its first line counts; header fields are looked through for their end, and of a body nobody reads anything.
struct ScrapeRequest {
  enum Answer: Equatable {
    case metrics(hasBody: Bool)
    /// A status that is none of success, and its phrase.
    case refusal(Int, String)
  }

  /// First line and header fields together, in bytes.
  static let longestHead = 8192
  /// Read for the head's end, which is an empty line.
  private var head: [UInt8] = []
  private var lineLength = 0
  private var hasLine = false
  /// More has come than the head.
  private(set) var hasRest = false

  /// Takes bytes as they come. Nil: the head goes on.
  mutating func add(_ bytes: UnsafeRawBufferPointer) -> Answer? {
    for (place, byte) in bytes.enumerated() {
      guard head.count < ScrapeRequest.longestHead else {
        hasRest = true
        return .refusal(431, "Request Header Fields Too Large")
      }
      head.append(byte)
      switch byte {
      case UInt8(ascii: "\n"):
        // Empty lines before the first one are none of the request (RFC 9112, 2.2); they count for its length.
        if lineLength == 0, hasLine {
          hasRest = place + 1 < bytes.count
          return answer
        }
        lineLength = 0
      case UInt8(ascii: "\r"): break
      default:
        lineLength += 1
        hasLine = true
      }
    }
    return nil
  }

  private var answer: Answer {
    let text = head.drop { $0 == 10 || $0 == 13 }
    let line = text.prefix { $0 != 10 && $0 != 13 }
    let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].allSatisfy({ (0x41...0x5a).contains($0) }), !parts[0].isEmpty else {
      return .refusal(400, "Bad Request")
    }
    guard parts[2].elementsEqual("HTTP/1.1".utf8) || parts[2].elementsEqual("HTTP/1.0".utf8) else {
      return parts[2].starts(with: "HTTP/".utf8)
        ? .refusal(505, "HTTP Version Not Supported") : .refusal(400, "Bad Request")
    }
    guard parts[1].prefix(while: { $0 != UInt8(ascii: "?") }).elementsEqual("/metrics".utf8) else {
      return .refusal(404, "Not Found")
    }
    if parts[0].elementsEqual("GET".utf8) { return .metrics(hasBody: true) }
    if parts[0].elementsEqual("HEAD".utf8) { return .metrics(hasBody: false) }
    return .refusal(405, "Method Not Allowed")
  }
}

extension ScrapeRequest.Answer {
  /// The whole response; the connection ends with it.
  ///
  /// - Parameter metrics: Asked only where they are wanted.
  func response(_ metrics: () -> String) -> [UInt8] {
    switch self {
    case .metrics(let hasBody):
      let body = Array(metrics().utf8)
      let head = ScrapeRequest.Answer.head("200 OK", "text/plain; version=0.0.4; charset=utf-8", body.count)
      return hasBody ? head + body : head
    case .refusal(let code, let phrase):
      let body = Array((code == 404 ? "The metrics are at /metrics.\n" : "\(phrase).\n").utf8)
      return ScrapeRequest.Answer.head(
        "\(code) \(phrase)", "text/plain; charset=utf-8", body.count, code == 405 ? "allow: GET, HEAD\r\n" : "") + body
    }
  }

  private static func head(_ status: String, _ type: String, _ length: Int, _ more: String = "") -> [UInt8] {
    Array(
      ("HTTP/1.1 \(status)\r\ncontent-type: \(type)\r\ncontent-length: \(length)\r\n\(more)"
        + "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n").utf8)
  }
}
