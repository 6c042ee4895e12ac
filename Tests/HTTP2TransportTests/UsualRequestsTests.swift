import TestSupport
import Testing

@testable import VoleryHTTP2Session

/// What all requests of a method begin with: nghttp2 sees the first field of it, once it has made a block of all.
@Suite("Requests that begin as others did", .timeLimit(.minutes(1))) struct UsualRequestsTests {
  typealias Fields = [(name: String, value: String)]

  /// A server's stream: keeps what it is asked, and answers once it has all of it.
  final class Stream: HTTP2Stream {
    var request = ""
    private static let head = FixedHeaders([(":status", "200")])
    private static let end = FixedHeaders([("grpc-status", "0")])

    override func headersReceived(_ block: borrowing HeaderBlock, endsStream: Bool) {
      var fields: Fields = []
      var offset = 0
      while let field = block.next(&offset) {
        fields.append((String(decoding: field.name, as: UTF8.self), String(decoding: field.value, as: UTF8.self)))
      }
      request = UsualRequestsTests.text(fields)
    }
    override func endReceived() {
      submitHeaders(Stream.head)
      endBody(trailers: Stream.end)
    }
  }

  final class End: StreamsDelegate {
    var streams: [Stream] = []

    func streamOpened() -> HTTP2Stream? {
      streams.append(Stream())
      return streams.last
    }
  }

  /// A client's stream, which may be used again.
  final class Once: HTTP2Stream {
    override func closed(_ code: HTTP2ErrorCode) { isSpare = isThrough }
  }

  static func text(_ fields: Fields) -> String { fields.map { "\($0.name)=\($0.value)" }.joined(separator: " ") }

  static func fields(_ path: String) -> Fields {
    [
      (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"), ("te", "trailers"),
      ("content-type", "application/grpc"), ("user-agent", "a test"),
    ]
  }

  static func append(_ fields: Fields, to headers: inout HeaderList) {
    for (name, value) in fields {
      Array(name.utf8).withUnsafeBytes { name in
        Array(value.utf8).withUnsafeBytes { headers.append(name: name, value: $0) }
      }
    }
  }

  /// A client that calls methods by these paths, and what its server should hear.
  final class Caller {
    let pair = SessionPair(client: End(), server: End())
    private let heads: [(fields: Fields, kept: KeptHeaders)]
    /// By stream.
    private(set) var expected: [Int32: String] = [:]

    init(_ paths: [String]) throws {
      heads = paths.map { path in
        var list = HeaderList()
        UsualRequestsTests.append(UsualRequestsTests.fields(path), to: &list)
        return (UsualRequestsTests.fields(path), KeptHeaders(list))
      }
      try pair.exchange()
    }

    var requests: UsualRequests { pair.client.usualRequests }

    @discardableResult
    func call(_ index: Int = 0, timeout: String? = nil, _ others: Fields = [], on given: HTTP2Stream? = nil) throws
      -> HTTP2Stream
    {
      let stream = given ?? HTTP2Stream()
      var fields = heads[index].fields
      if let timeout { fields.append(("grpc-timeout", timeout)) }
      try pair.client.submitRequest(stream) { headers in
        headers.append(heads[index].kept)
        if let timeout { Array(timeout.utf8).withUnsafeBytes { headers.append(timeout: $0) } }
        UsualRequestsTests.append(others, to: &headers)
      }
      expected[stream.id] = UsualRequestsTests.text(fields + others)
      stream.endBody()
      return stream
    }

    /// Resets it before it has gone out.
    func withdraw(_ stream: HTTP2Stream) {
      expected[stream.id] = nil
      stream.reset(.cancel)
    }

    /// Gives the client SETTINGS_HEADER_TABLE_SIZE, whose acknowledgement goes nowhere: its server knows nothing of it.
    func setTableSize(_ size: UInt16) throws {
      try pair.exchange()
      let frame: [UInt8] = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 1, 0, 0, UInt8(size >> 8), UInt8(size & 0xff)]
      try frame.withUnsafeBytes { try pair.client.feed($0) }
      #expect(pair.client.output() == [0, 0, 0, 4, 1, 0, 0, 0, 0])
    }

    func check() throws {
      try pair.exchange()
      let heard = Dictionary(uniqueKeysWithValues: pair.ends.server.streams.map { ($0.id, $0.request) })
      #expect(heard == expected)
    }
  }

  @Test("nghttp2 sees their first field, and the server hears all of them") func first() throws {
    let caller = try Caller(["/a.B/C"])
    for _ in 0..<10 {
      try caller.call()
      try caller.pair.exchange()
    }
    try caller.check()
    // The first fills HPACK's table, the second shows what the fields are by it.
    #expect(caller.requests.repetitionCount == 8)
    #expect(caller.requests.literalCount == 0)
  }

  @Test("a timeout stands behind them, and has no place in HPACK's table", arguments: ["1S", "99999999m", "250000u"])
  func timeout(_ text: String) throws {
    let caller = try Caller(["/a.B/C"])
    for index in 0..<10 {
      try caller.call(timeout: index.isMultiple(of: 2) ? text : "\(index)m")
      try caller.pair.exchange()
    }
    try caller.check()
    #expect(caller.requests.repetitionCount == 8)
  }

  @Test("a block that goes out before them may change the table: then they are literals") func overtaken() throws {
    let caller = try Caller(["/a.B/C", "/" + String(repeating: "long", count: 100)])
    for _ in 0..<3 {
      for index in 0..<2 {
        try caller.call(index)
        try caller.pair.exchange()
      }
    }
    #expect(caller.requests.repetitionCount == 3)
    // All of them are given before the first one goes.
    try caller.call(0, [("x-new", "value")])
    try caller.call(0, timeout: "5S")
    try caller.call(1)
    try caller.check()
    #expect(caller.requests.repetitionCount == 5)
    #expect(caller.requests.literalCount == 2)
    for _ in 0..<2 {
      try caller.call(0)
      try caller.check()
    }
    #expect(caller.requests.repetitionCount == 6, "the first shows it anew")
  }

  @Test("a server hears what the client says, whatever comes between", arguments: UInt64(1)...12)
  func mixed(_ seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let caller = try Caller(["/a.B/C", "/a.B/D", "/" + String(repeating: "p", count: 300)])
    for step in 0..<300 {
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let index = Int.random(in: 0..<3, using: &random)
        switch Int.random(in: 0..<16, using: &random) {
        case 0: try caller.call(index, [("x-new", "\(step)")])
        case 1: try caller.call(index, timeout: "\(step)m", [("x-usual", "1")])
        case 2: try caller.call(index, [("x-large", String(repeating: "l", count: 6000))])
        case 3: caller.withdraw(try caller.call(index))
        case 4...9: try caller.call(index, timeout: "\(UInt16.random(in: .min ... .max, using: &random))m")
        default: try caller.call(index)
        }
      }
      if Int.random(in: 0..<25, using: &random) == 0 {
        try caller.setTableSize([0, 100, 4096].randomElement(using: &random)!)
      }
      if step.isMultiple(of: 3) { try caller.pair.exchange() }
    }
    try caller.check()
    #expect(caller.requests.repetitionCount > 100)
  }

  // MARK: Streams that are used again

  @Test("a stream is another one's once it is over and nobody refers to it") func renewal() throws {
    let caller = try Caller(["/a.B/C"])
    var held: Once? = Once()
    try caller.call(on: held)
    try caller.check()
    #expect(caller.pair.client.takeSpareStream() == nil, "somebody has it")
    let first = try #require(held).id
    held = nil

    let identity: ObjectIdentifier
    do {
      let stream = Once()
      identity = ObjectIdentifier(stream)
      try caller.call(on: stream)
    }
    try caller.check()
    var spare = try #require(caller.pair.client.takeSpareStream())
    #expect(ObjectIdentifier(spare) == identity)
    for _ in 0..<3 {
      spare.renew()
      #expect(!spare.isSpare && !spare.hasPeerEnded && !spare.areHeadersSent && spare.id == 0)
      try caller.call(on: spare)
      #expect(spare.id > first)
      try caller.check()
      #expect(spare.isThrough && spare.isSpare)
    }
    spare = Once()
    #expect(caller.pair.client.takeSpareStream() == nil, "it was held while it ended")
  }

  @Test("a stream that was reset, or has not said all that it had to, is no other's") func reset() throws {
    let caller = try Caller(["/a.B/C"])
    do {
      let stream = Once()
      try caller.pair.client.submitRequest(stream) {
        UsualRequestsTests.append(UsualRequestsTests.fields("/a"), to: &$0)
      }
      try caller.pair.exchange()
      stream.reset(.cancel)
    }
    try caller.pair.exchange()
    #expect(caller.pair.client.streams.isEmpty)
    #expect(caller.pair.client.takeSpareStream() == nil)
  }
}
