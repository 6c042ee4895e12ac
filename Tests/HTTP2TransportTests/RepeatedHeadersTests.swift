import TestSupport
import Testing

@testable import VoleryHTTP2Session

/// What a server keeps of a request's header block for the next one, and whose turn it is among its streams.
@Suite("Requests of one connection", .timeLimit(.minutes(1))) struct RepeatedHeadersTests {
  typealias Fields = [(name: String, value: String)]

  final class Received: HTTP2Stream {
    unowned let end: End

    init(_ end: End) { self.end = end }

    override func headersReceived(_ block: borrowing HeaderBlock, endsStream: Bool) {
      var fields: Fields = []
      var offset = 0
      while let field = block.next(&offset) {
        fields.append((String(decoding: field.name, as: UTF8.self), String(decoding: field.value, as: UTF8.self)))
      }
      end.fields = fields
      end.isTooLarge = block.isTooLarge
      end.changes = block.changes(since: end.number)
      end.number = block.number
      guard end.changes != nil else { return }
      for index in fields.indices {
        #expect(String(decoding: block.field(index).name, as: UTF8.self) == fields[index].name)
        #expect(String(decoding: block.field(index).value, as: UTF8.self) == fields[index].value)
      }
    }
  }

  final class End: StreamsDelegate {
    var streams: [Received] = []
    var fields: Fields = []
    var isTooLarge = false
    var number = -2
    var changes: UInt32?

    func streamOpened() -> HTTP2Stream? {
      let stream = Received(self)
      streams.append(stream)
      return stream
    }
  }

  final class Pair {
    private let sessions = SessionPair(client: End(), server: End())
    var server: HTTP2Session { sessions.server }
    var served: End { sessions.ends.server }
    var requests: [HTTP2Stream] = []

    init() throws {
      try sessions.exchange()
      sessions.client.maxSentHeaderListByteCount = HTTP2Settings.largestHeaderList
    }

    func request(_ fields: Fields, isKept: Bool = false) throws {
      let stream = HTTP2Stream()
      try sessions.client.submitRequest(stream, hasBody: true) { headers in
        for (name, value) in fields {
          Array(name.utf8).withUnsafeBytes { name in
            Array(value.utf8).withUnsafeBytes { headers.append(name: name, value: $0) }
          }
        }
      }
      try sessions.exchange()
      if isKept { requests.append(stream) } else { stream.reset(.cancel) }
    }
  }

  static let first: Fields = [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "x")]

  /// Names of the same fields, in the same order.
  private static func isComparable(_ fields: Fields, _ before: Fields) -> Bool {
    fields.map(\.name) == before.map(\.name) && fields.count <= KnownFields.capacity
  }

  @Test("arrive as they were sent, and what has changed between two of them is known", arguments: UInt64(1)...8)
  func blocks(_ seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let pair = try Pair()
    var (before, wasTooLarge, lastByteCount) = (Fields(), false, 0)
    var fields = Self.first
    var found = 0
    for _ in 0..<400 {
      switch Int.random(in: 0..<12, using: &random) {
      case 0, 1, 2: fields[2].value = "/" + String(repeating: "p", count: .random(in: 1...90, using: &random))
      case 3: fields.append(("x-\(fields.count)", String(repeating: "v", count: .random(in: 0...40, using: &random))))
      case 4 where fields.count > 4: fields.remove(at: .random(in: 4..<fields.count, using: &random))
      case 5 where fields.count > 4:
        let value = UInt16.random(in: .min ... .max, using: &random)
        fields[.random(in: 4..<fields.count, using: &random)].value = "\(value)"
      case 6 where fields.count > 4:
        let count = Int.random(in: 0...9000, using: &random)
        fields[.random(in: 4..<fields.count, using: &random)].value = String(repeating: "l", count: count)
      case 7 where Bool.random(using: &random):
        for index in 0..<40 { fields.append(("y-\(index)", "\(index)")) }
      case 8 where fields.count > 20: fields = Array(fields[..<12])
      default: break  // The same once more.
      }
      try pair.request(fields)
      let end = pair.served
      let byteCount = fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 32 }
      #expect(end.isTooLarge == (byteCount > 16 << 10))
      #expect(end.fields.count == fields.count || end.isTooLarge)
      for (received, sent) in zip(end.fields, fields) { #expect(received == sent) }
      let isComparable = Self.isComparable(fields, before) && !end.isTooLarge && !wasTooLarge
      if isComparable, max(byteCount, lastByteCount) < 4 << 10 { #expect(end.changes != nil) }
      if let changes = end.changes {
        #expect(isComparable)
        found += 1
        for index in fields.indices {
          #expect((changes & 1 << UInt32(index) != 0) == (fields[index].value != before[index].value))
        }
      }
      (before, wasTooLarge, lastByteCount) = (fields, end.isTooLarge, byteCount)
    }
    #expect(found > 50)
  }

  @Test("a name or value that is another one is never taken for the one before, whatever memory it has")
  func sameSize() throws {
    let pair = try Pair()
    for index in 0..<2000 {
      let digits = String(index + 10_000)
      try pair.request(Self.first + [("x-\(digits)", "a"), ("x-v", digits), ("x-w", "w\(digits)")])
      #expect(pair.served.fields.map(\.value) == ["POST", "http", "/a.B/C", "x", "a", digits, "w\(digits)"])
      #expect(pair.served.fields[4].name == "x-\(digits)")
    }
  }

  @Test("the server's streams with long bodies take turns, and a short one waits for none of them (RFC 9218)")
  func turns() throws {
    let pair = try Pair()
    for _ in 0..<3 { try pair.request(Self.first, isKept: true) }
    let streams = pair.served.streams
    for stream in streams[..<2] {
      var headers = HeaderList()
      headers.append(":status", "200")
      stream.submitHeaders(headers, hasBody: true)
      stream.sendBody([UInt8](repeating: 0, count: 400_000))
    }
    var order = Self.dataFrames(pair.server.output(limit: 100_000))
    var headers = HeaderList()
    headers.append(":status", "200")
    streams[2].submitHeaders(headers, hasBody: true)
    streams[2].sendBody([1, 2, 3])
    streams[2].endBody()
    let rest = Self.dataFrames(pair.server.output())
    #expect(rest.prefix(4).contains(5), "\(rest)")
    order += rest.filter { $0 != 5 }
    #expect(order.count > 40)
    for (one, other) in zip(order.dropFirst(4), order.dropFirst(5)).prefix(40) { #expect(one != other, "\(order)") }
  }

  @Test("a server says that it keeps no priorities of RFC 7540") func settings() throws {
    let server = HTTP2Session(role: .server, settings: HTTP2Settings(), delegate: End())
    let bytes = server.output()
    let entries = stride(from: 9, to: 9 + Int(bytes[2]), by: 6).map { Array(bytes[$0..<($0 + 6)]) }
    #expect(entries.contains([0, 9, 0, 0, 0, 1]))
  }

  /// The streams of the DATA frames, in order.
  private static func dataFrames(_ bytes: [UInt8]) -> [Int32] {
    var scanner = FrameScanner(leading: 0)
    var offset = 0
    var ids: [Int32] = []
    bytes.withUnsafeBytes { bytes in
      while let header = scanner.next(in: bytes, &offset) {
        if header.type == FrameHeader.data, header.length > 0 { ids.append(header.streamID) }
      }
    }
    return ids
  }
}
