import VoleryPrimitives

/// The head of a response of HTTP/1.1: what the API server's clients need of it.
package struct HTTPHead: Hashable, Sendable {
  package var status: Int
  /// Names in lower case; of several fields with one name the last.
  package var fields: [String: String]
}

/// Reads one response of HTTP/1.1 (RFC 9112) from bytes as they come, without any I/O: with a length, chunked, or until the
/// connection ends. Interim responses and trailers are read over.
///
///     head --empty line--> body: sized | chunked (size, data, end of data)* trailers | until the end --> done
package struct HTTPResponseParser {
  package enum Event: Hashable, Sendable {
    case head(HTTPHead)
    /// A part of the body, as it came; chunks are no units of anything.
    case body([UInt8])
    case end
  }

  private enum Phase: Hashable {
    case statusLine, fields
    case sized(Int)
    case chunkSize
    case chunk(Int)
    case chunkEnd, trailers, untilEnd, done
  }

  private var phase = Phase.statusLine
  private var head = HTTPHead(status: 0, fields: [:])
  private var line: [UInt8] = []
  private var headByteCount = 0

  /// Of the head, and again of the trailers.
  private static let maxHeadBytes = 64 << 10
  private static let maxLineBytes = 16 << 10

  package init() {}

  package var isDone: Bool { phase == .done }

  /// Takes bytes; what follows the response is dropped.
  package mutating func feed(_ bytes: UnsafeRawBufferPointer, _ tell: (Event) -> Void) throws(KubernetesFailure) {
    var index = 0
    while index < bytes.count, phase != .done {
      switch phase {
      case .sized(let count):
        let taken = pass(bytes, &index, count, tell)
        phase = taken == count ? .done : .sized(count - taken)
        if phase == .done { tell(.end) }
      case .chunk(let count):
        let taken = pass(bytes, &index, count, tell)
        phase = taken == count ? .chunkEnd : .chunk(count - taken)
      case .untilEnd: _ = pass(bytes, &index, bytes.count - index, tell)
      default:
        guard let text = try takeLine(bytes, &index) else { return }
        try read(text, tell)
      }
    }
  }

  private func pass(
    _ bytes: UnsafeRawBufferPointer, _ index: inout Int, _ count: Int, _ tell: (Event) -> Void
  ) -> Int {
    let taken = min(count, bytes.count - index)
    if taken > 0 { tell(.body(Array(bytes[index..<(index + taken)]))) }
    index += taken
    return taken
  }

  /// The next line without its end; nil: it is not whole yet.
  private mutating func takeLine(
    _ bytes: UnsafeRawBufferPointer, _ index: inout Int
  ) throws(KubernetesFailure) -> String? {
    let rest = UnsafeRawBufferPointer(rebasing: bytes[index...])
    let end = rest.firstIndex(of: 0x0a)
    let part = rest[..<(end ?? rest.count)]
    headByteCount += part.count + 1
    guard line.count + part.count <= HTTPResponseParser.maxLineBytes, headByteCount <= HTTPResponseParser.maxHeadBytes
    else { throw .malformed("a head of HTTP that is too large") }
    line += part
    index += end.map { $0 + 1 } ?? rest.count
    guard end != nil else { return nil }
    if line.last == 0x0d { line.removeLast() }
    defer { line.removeAll(keepingCapacity: true) }
    return String(decoding: line, as: UTF8.self)
  }

  private mutating func read(_ text: String, _ tell: (Event) -> Void) throws(KubernetesFailure) {
    switch phase {
    case .statusLine:
      head = HTTPHead(status: try HTTPResponseParser.status(text), fields: [:])
      phase = .fields
    case .fields: if text.isEmpty { try headEnded(tell) } else { readField(text) }
    case .chunkSize: try readChunkSize(text)
    case .chunkEnd:
      guard text.isEmpty else { throw .malformed("a chunk of HTTP that is longer than it says") }
      phase = .chunkSize
    case .trailers:
      if text.isEmpty {
        phase = .done
        tell(.end)
      }
    case .sized, .chunk, .untilEnd, .done: break
    }
  }

  private static func status(_ line: String) throws(KubernetesFailure) -> Int {
    let words = line.split(separator: " ", maxSplits: 2)
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].utf8.count == 3, let status = Int(words[1]),
      (100...599).contains(status)
    else { throw .malformed("not HTTP/1.1 but \"\(String(foreign: line, limit: 60))\"") }
    return status
  }

  private mutating func readField(_ line: String) {
    let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, head.fields.count < 200 else { return }
    var value = parts[1].drop { $0 == " " || $0 == "\t" }
    while value.last == " " || value.last == "\t" { value.removeLast() }
    head.fields[parts[0].lowercased()] = String(value)
  }

  private mutating func headEnded(_ tell: (Event) -> Void) throws(KubernetesFailure) {
    // 101 is for those who have asked for it.
    if head.status < 200, head.status != 101 {
      phase = .statusLine
      return
    }
    headByteCount = 0
    tell(.head(head))
    if let coding = head.fields["transfer-encoding"] {
      guard coding.lowercased() == "chunked" else { throw .malformed("a transfer coding that nobody has asked for") }
      phase = .chunkSize
    } else if let text = head.fields["content-length"] {
      guard let count = Int(text), count >= 0 else { throw .malformed("a content-length that is no number") }
      phase = count == 0 ? .done : .sized(count)
      if count == 0 { tell(.end) }
    } else {
      phase = .untilEnd
    }
  }

  private mutating func readChunkSize(_ line: String) throws(KubernetesFailure) {
    headByteCount = 0
    let digits = line.prefix { $0 != ";" && $0 != " " }
    guard (1...8).contains(digits.utf8.count), digits.utf8.allSatisfy({ $0.isHexadecimal }),
      let count = Int(digits, radix: 16)
    else { throw .malformed("a chunk of HTTP without a size") }
    phase = count == 0 ? .trailers : .chunk(count)
  }

  /// The connection is over. Throws where something is missing.
  package mutating func end(_ tell: (Event) -> Void) throws(KubernetesFailure) {
    switch phase {
    case .done: return
    case .untilEnd:
      phase = .done
      tell(.end)
    case .statusLine where headByteCount == 0:
      throw KubernetesFailure(.cut, "the API server closed the connection without an answer")
    default: throw KubernetesFailure(.cut, "the API server closed the connection in the middle of its answer")
    }
  }
}

extension UInt8 {
  fileprivate var isHexadecimal: Bool {
    switch self {
    case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
    default: false
    }
  }
}
