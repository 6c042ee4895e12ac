import TestSupport
import Testing

@testable import VoleryHTTP2Session

/// Request blocks that a server has read before, and trailers that it has sent before: nghttp2 does not see them again.
@Suite("Blocks that come again", .timeLimit(.minutes(1))) struct RepeatedBlockTests {
  typealias Fields = [(name: String, value: String)]

  /// What has happened to a stream, in words.
  final class Stream: HTTP2Stream {
    unowned let end: End
    var said: [String] = []
    let ending: FixedHeaders?

    /// - Parameter ending: Answers with these trailers; nil: it does not answer.
    init(_ end: End, ending: FixedHeaders? = nil) {
      self.end = end
      self.ending = ending
    }

    override func headersReceived(_ block: borrowing HeaderBlock, endsStream: Bool) {
      var fields: [String] = []
      var offset = 0
      while let field = block.next(&offset) {
        fields.append("\(String(decoding: field.name, as: UTF8.self))=\(String(decoding: field.value, as: UTF8.self))")
      }
      said.append(fields.joined(separator: " ") + (endsStream ? " end" : ""))
    }
    override func dataReceived(_ bytes: UnsafeRawBufferPointer) { said.append("\(Array(bytes))") }
    override func endReceived() {
      said.append("end")
      guard let ending else { return }
      submitHeaders(RepeatedBlockTests.response)
      sendBody([7, 7, 7])
      endBody(trailers: ending)
    }
    override func closed(_ code: HTTP2ErrorCode) { said.append("closed \(code)") }
  }

  final class End: StreamsDelegate {
    var streams: [Stream] = []
    var trailers: FixedHeaders?

    func streamOpened() -> HTTP2Stream? {
      let stream = Stream(self, ending: trailers)
      streams.append(stream)
      return stream
    }
  }

  final class Pair {
    let ends = (client: End(), server: End())
    let client: HTTP2Session
    let server: HTTP2Session
    /// Every byte that the server is given in halves of frames, so that no block is ever there as a whole.
    let isCut: Bool
    var requests: [Stream] = []
    private(set) var answered: [UInt8] = []

    init(isCut: Bool = false, trailers: FixedHeaders? = nil, server settings: HTTP2Settings = HTTP2Settings()) throws {
      self.isCut = isCut
      client = HTTP2Session(role: .client, settings: HTTP2Settings(), delegate: ends.client)
      server = HTTP2Session(role: .server, settings: settings, delegate: ends.server)
      ends.server.trailers = trailers
      try exchange()
    }

    func exchange() throws {
      var isQuiet = false
      while !isQuiet {
        let (forth, back) = (client.output(), server.output())
        answered = back.isEmpty ? answered : back
        if isCut {
          for byte in forth { try [byte].withUnsafeBytes { try server.feed($0) } }
        } else {
          try forth.withUnsafeBytes { try server.feed($0) }
        }
        try back.withUnsafeBytes { try client.feed($0) }
        isQuiet = forth.isEmpty && back.isEmpty
      }
    }

    func submit(_ fields: Fields, _ body: [UInt8] = [1, 2]) throws {
      let stream = Stream(ends.client)
      requests.append(stream)
      try client.submitRequest(stream, hasBody: true) { headers in
        for (name, value) in fields {
          Array(name.utf8).withUnsafeBytes { name in
            Array(value.utf8).withUnsafeBytes { headers.append(name: name, value: $0) }
          }
        }
      }
      stream.sendBody(body)
      stream.endBody()
    }
  }

  static let request: Fields = [
    (":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "x"), ("te", "trailers"),
    ("content-type", "application/grpc"), ("user-agent", "a test"),
  ]
  static let response = FixedHeaders([(":status", "200"), ("content-type", "application/grpc")])
  /// What a client hears of it.
  static let answer = [
    ":status=200 content-type=application/grpc", "[7, 7, 7]", "grpc-status=0 end", "closed NO_ERROR",
  ]
  static let ok = FixedHeaders([("grpc-status", "0")])

  @Test("a block that is the last one again says the same, and nghttp2 does not read it") func again() throws {
    let pair = try Pair()
    for _ in 0..<10 { try pair.submit(Self.request) }
    try pair.exchange()
    let expected = Self.request.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
    #expect(pair.ends.server.streams.count == 10)
    for stream in pair.ends.server.streams { #expect(stream.said == [expected, "[1, 2]", "end"]) }
    // The first fills HPACK's table, the second is another one by its bytes.
    #expect(pair.server.repeatedBlock.repetitionCount == 8)
  }

  @Test("what a server hears does not depend on how its bytes come", arguments: UInt64(1)...12)
  func cut(_ seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let pairs = (whole: try Pair(), cut: try Pair(isCut: true))
    var fields = Self.request
    for _ in 0..<150 {
      switch Int.random(in: 0..<14, using: &random) {
      case 0: fields[2].value = "/" + String(repeating: "p", count: .random(in: 1...200, using: &random))
      case 1: fields.append(("x-\(fields.count)", String(repeating: "v", count: .random(in: 0...40, using: &random))))
      case 2 where fields.count > 7: fields.removeLast()
      case 3: fields[6].value = "agent \(UInt16.random(in: .min ... .max, using: &random))"
      case 4: fields.append(("content-length", ["2", "3", "x"].randomElement(using: &random)!))
      case 5: fields.append(("priority", "u=1, i"))
      case 6: fields.append(("x-large", String(repeating: "l", count: 5000)))
      case 7: fields.append(("connection", "close"))
      case 8: fields = Self.request
      default: break  // The same once more.
      }
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        try pairs.whole.submit(fields)
        try pairs.cut.submit(fields)
      }
      try pairs.whole.exchange()
      try pairs.cut.exchange()
      guard fields.contains(where: { $0.name == "connection" || $0.name == "content-length" }) else { continue }
      fields = Self.request
    }
    #expect(pairs.whole.server.repeatedBlock.repetitionCount > 20)
    #expect(pairs.cut.server.repeatedBlock.repetitionCount == 0)
    let (whole, cut) = (pairs.whole.ends.server.streams, pairs.cut.ends.server.streams)
    #expect(whole.count == cut.count)
    for (one, other) in zip(whole, cut) { #expect(Self.joined(one.said) == Self.joined(other.said)) }
    for (one, other) in zip(pairs.whole.requests, pairs.cut.requests) { #expect(one.said == other.said) }
  }

  /// DATA that comes in pieces is the same as in one.
  private static func joined(_ said: [String]) -> String { said.joined(separator: " ").replacing("] [", with: ", ") }

  @Test("nor does it for what stands behind a beginning that blocks have in common", arguments: UInt64(1)...12)
  func tails(_ seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let pairs = (whole: try Pair(), cut: try Pair())
    let common: [UInt8] = [0x83, 0x86] + [0x04, 18] + "/some.Service/Call".utf8 + [0x01, 4] + "host".utf8
    for index in 0..<250 {
      // With the field that was added to HPACK's table last, which is another one each time.
      var block = common + (index == 0 ? Self.literal(0x40, "x-added", "first") : [0xbe])
      block += Self.literal(0, "te", "trailers") + Self.literal(0, "content-type", "application/grpc")
      if Int.random(in: 0..<12, using: &random) == 0 { block[10] = UInt8.random(in: 97...122, using: &random) }
      for _ in 0..<Int.random(in: 0...2, using: &random) {
        switch Int.random(in: 0..<24, using: &random) {
        case 0: block.append(0x84)  // ":path" once more, and behind other fields.
        case 1: block += Self.literal(0, "connection", "close")
        case 2: block += Self.literal(0, "priority", "u=7, i")
        case 3: block += [0x0f, 0x0d, 1, 0x32]  // content-length, 2
        case 4: block += Self.literal(0x40, "x-added", "\(index)")
        case 5: block.append(0xbe)
        case 8: block += Self.literal(0, "x-long", String(repeating: "l", count: 120))
        default: block += Self.literal(0x10, "grpc-timeout", "\(Int.random(in: 1...9999, using: &random))m")
        }
      }
      let id = Int32(2 * index + 1)
      let bytes =
        FrameHeader(length: block.count, type: FrameHeader.headers, flags: FrameHeader.endHeaders, streamID: id).bytes
        + block + FrameHeader(length: 2, type: FrameHeader.data, flags: FrameHeader.endStream, streamID: id).bytes + [
          1, 2,
        ]
      try bytes.withUnsafeBytes { try pairs.whole.server.feed($0) }
      for byte in bytes { try [byte].withUnsafeBytes { try pairs.cut.server.feed($0) } }
      // Streams with a fault are reset.
      _ = (pairs.whole.server.output(), pairs.cut.server.output())
    }
    let (whole, cut) = (pairs.whole.ends.server.streams, pairs.cut.ends.server.streams)
    #expect(whole.count == 250 && cut.count == 250)
    for (one, other) in zip(whole, cut) { #expect(Self.joined(one.said) == Self.joined(other.said)) }
    #expect(pairs.whole.server.repeatedBlock.repetitionCount > 100)
    #expect(pairs.cut.server.repeatedBlock.repetitionCount == 0)
  }

  @Test("a pseudo-header field behind others is refused, whatever stood in the block before") func late() throws {
    let pair = try Pair()
    let common = [0x83, 0x86, 0x04, 18] + "/some.Service/Call".utf8 + Self.literal(0, "te", "trailers")
    for (index, rest) in [("host", "x"), ("host", "y"), (":authority", "x"), ("host", "x")].enumerated() {
      let block = common + Self.literal(0, rest.0, rest.1)
      let header = FrameHeader(length: block.count, type: 1, flags: 4, streamID: Int32(2 * index + 1))
      try (header.bytes + block).withUnsafeBytes { try pair.server.feed($0) }
      _ = pair.server.output()
    }
    #expect(pair.ends.server.streams.map { $0.said.first?.prefix(6) } == [":metho", ":metho", "closed", ":metho"])
  }

  @Test("a request that comes right behind a GOAWAY is read, also where it begins as the last one") func behindGoAway()
    throws
  {
    let pair = try Pair()
    let common = [0x83, 0x86, 0x04, 18] + "/some.Service/Call".utf8 + [0x01, 1] + "x".utf8
    func frame(_ type: UInt8, _ flags: UInt8, _ id: Int32, _ payload: [UInt8]) -> [UInt8] {
      FrameHeader(length: payload.count, type: type, flags: flags, streamID: id).bytes + payload
    }
    func request(_ id: Int32) -> [UInt8] { frame(1, 4, id, common + Self.literal(0, "number", "\(id)")) }
    for id: Int32 in [1, 3, 5] {
      let bytes = request(id) + frame(3, 0, id, [0, 0, 0, 8])
      try bytes.withUnsafeBytes { try pair.server.feed($0) }
      _ = pair.server.output()
    }
    #expect(pair.server.repeatedBlock.repetitionCount == 2)
    try (frame(7, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]) + request(7)).withUnsafeBytes { try pair.server.feed($0) }
    #expect(pair.ends.server.streams.count == 4)
    #expect(pair.ends.server.streams.last?.said.first?.hasSuffix("number=7") == true)
  }

  private static func literal(_ first: UInt8, _ name: String, _ value: String) -> [UInt8] {
    [first, UInt8(name.utf8.count)] + name.utf8 + [UInt8(value.utf8.count)] + value.utf8
  }

  @Test("content-length is held to, also of a request that is the last one again") func contentLength() throws {
    let pair = try Pair()
    let fields = Self.request + [("content-length", "2")]
    for _ in 0..<4 { try pair.submit(fields) }
    try pair.submit(fields, [1, 2, 3])
    try pair.submit(fields, [1])
    try pair.submit(fields)
    try pair.exchange()
    #expect(pair.server.repeatedBlock.repetitionCount == 5)
    let ends = pair.ends.server.streams.map { $0.said.last! }
    #expect(ends == ["end", "end", "end", "end", "closed PROTOCOL_ERROR", "closed PROTOCOL_ERROR", "end"], "\(ends)")
  }

  @Test("a block behind one that was refused is read as it is") func refused() throws {
    var settings = HTTP2Settings()
    settings.maxConcurrentStreams = 4
    let pair = try Pair(server: settings)
    pair.client.peerMaxConcurrentStreams = 100
    for _ in 0..<4 { try pair.submit(Self.request) }
    try pair.exchange()
    #expect(pair.ends.server.streams.count == 4)
    // Bytes of the next four requests, as a client that does not keep to the limit sends them.
    let block = try #require(try Self.lastBlock(of: Self.request))
    var bytes: [UInt8] = []
    for id in Int32(9)...12 where id & 1 == 1 {
      bytes += FrameHeader(length: block.count, type: 1, flags: 5, streamID: id).bytes + block
    }
    try bytes.withUnsafeBytes { try pair.server.feed($0) }
    #expect(pair.ends.server.streams.count == 4, "they are refused")
    for stream in pair.requests[..<2] { stream.reset(.cancel) }
    try pair.exchange()
    let next = FrameHeader(length: block.count, type: 1, flags: 4, streamID: 13).bytes + block
    try next.withUnsafeBytes { try pair.server.feed($0) }
    let last = try #require(pair.ends.server.streams.last)
    #expect(last.id == 13)
    #expect(last.said == [Self.request.map { "\($0.name)=\($0.value)" }.joined(separator: " ")])
  }

  /// The block of a request that a client has made before.
  private static func lastBlock(of fields: Fields) throws -> [UInt8]? {
    let pair = try Pair()
    for _ in 0..<2 {
      try pair.submit(fields)
      try pair.exchange()
    }
    try pair.submit(fields)
    let bytes = pair.client.output()
    let length = Int(bytes[1]) << 8 | Int(bytes[2])
    return bytes[3] == FrameHeader.headers ? Array(bytes[9..<(9 + length)]) : nil
  }

  @Test("a block that adds to HPACK's table is read each time") func adding() throws {
    let pair = try Pair()
    // POST, http, "/", authority and x: literals that are added to the table; then the oldest of four of them.
    let block: [UInt8] = [0x83, 0x86, 0x84, 0x01, 1, 0x61, 0x40, 1, 0x78, 1, 0x79]
    let oldest: [UInt8] = [0x83, 0x86, 0x84, 0x01, 1, 0x61, 0xc1]
    for (index, block) in [block, block, block, block, oldest].enumerated() {
      let header = FrameHeader(length: block.count, type: 1, flags: 4, streamID: Int32(2 * index + 1))
      try (header.bytes + block).withUnsafeBytes { try pair.server.feed($0) }
    }
    #expect(pair.ends.server.streams.map(\.said.count) == [1, 1, 1, 1, 1])
    #expect(pair.ends.server.streams.last?.said == [":method=POST :scheme=http :path=/ :authority=a x=y"])
    #expect(pair.server.repeatedBlock.repetitionCount == 0)
  }

  // MARK: Trailers

  @Test("a client that wants no table gets trailers that need none, though its call's headers have gone before that")
  func noTable() throws {
    let pair = try Pair(trailers: Self.ok)
    for _ in 0..<4 {
      try pair.submit(Self.request)
      try pair.exchange()
    }
    pair.ends.server.trailers = nil
    try pair.submit(Self.request)
    try pair.exchange()
    let stream = try #require(pair.ends.server.streams.last)
    stream.submitHeaders(Self.response)
    try pair.exchange()
    let settings: [UInt8] = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    try settings.withUnsafeBytes { try pair.server.feed($0) }
    #expect(pair.server.output() == [0, 0, 0, 4, 1, 0, 0, 0, 0])
    stream.sendBody([7, 7, 7])
    stream.endBody(trailers: Self.ok)
    let bytes = pair.server.output()
    #expect(bytes[..<12] == [0, 0, 3, 0, 0, 0, 0, 0, 9, 7, 7, 7])
    #expect(bytes[15..<21] == [1, 5, 0, 0, 0, 9])
    #expect(bytes[21] == 0x20, "the table's size comes first (RFC 7541, 4.2)")
  }

  @Test("trailers that were sent before stand behind the last DATA frame, as the same byte") func trailers() throws {
    let pair = try Pair(trailers: Self.ok)
    for _ in 0..<6 {
      try pair.submit(Self.request)
      try pair.exchange()
    }
    for stream in pair.requests {
      #expect(stream.said == Self.answer)
    }
    // HEADERS of two fields, DATA that does not end the stream, HEADERS of one field that do.
    let frames = pair.answered
    #expect(frames[3] == FrameHeader.headers && frames[2] == 2 && frames[4] == 4)
    #expect(Array(frames[11..<16]) == [0, 0, 3, 0, 0])
    #expect(Array(frames[23..<28]) == [0, 0, 1, 1, 5])
    #expect(frames[28..<32] == frames[5..<9], "the same stream")
    #expect(frames[32] & 0x80 != 0 && frames.count == 33)
    #expect(pair.server.trailers.repetitionCount == 4)
  }

  @Test("other blocks may move or drop what the trailers' byte stands for", arguments: UInt64(1)...8)
  func moved(_ seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let pair = try Pair(trailers: Self.ok)
    for index in 0..<300 {
      try pair.submit(Self.request)
      try pair.exchange()
      if Int.random(in: 0..<8, using: &random) == 0 {
        // A stream of its own answers with headers that the table has not.
        pair.ends.server.trailers = nil
        try pair.submit(Self.request)
        try pair.exchange()
        pair.ends.server.trailers = Self.ok
        var headers = HeaderList()
        headers.append(":status", "200")
        headers.append("x-other", "v\(index)")
        let stream = try #require(pair.ends.server.streams.last)
        stream.submitHeaders(headers, hasBody: false)
        try pair.exchange()
      }
      if Int.random(in: 0..<20, using: &random) == 0 {
        // SETTINGS_HEADER_TABLE_SIZE, as a client that changes its mind has it.
        let size: UInt8 = Bool.random(using: &random) ? 0 : 16
        try [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 1, 0, 0, size, 0].withUnsafeBytes { try pair.server.feed($0) }
        #expect(
          pair.server.output() == [0, 0, 0, 4, 1, 0, 0, 0, 0], "the client, which has said nothing, need not hear that")
      }
    }
    #expect(pair.requests.count { $0.said == Self.answer } == 300)
    #expect(pair.requests.allSatisfy { $0.said == Self.answer || $0.said.count == 2 })
    #expect(pair.server.trailers.repetitionCount > 50)
  }
}
