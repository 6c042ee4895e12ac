import TestSupport
import Testing

@testable import VoleryHTTP2Session

/// What nearly all answers begin and end with: nghttp2 sees a short block in its place, and streams hear the same.
@Suite("Answers that begin and end as others did", .timeLimit(.minutes(1))) struct UsualAnswersTests {
  /// What the streams of a connection know.
  final class Known {
    var texts: [Bool: String] = [:]
    /// Blocks that nobody has read.
    var unreadCount = 0
  }

  /// A client's stream: what it hears, in words.
  final class Caller: HTTP2Stream {
    let known: Known
    var said: [String] = []

    init(_ known: Known) { self.known = known }

    override func headersReceived(_ block: borrowing HeaderBlock, endsStream: Bool) {
      var fields: [String] = []
      var offset = 0
      while let field = block.next(&offset) {
        fields.append("\(String(decoding: field.name, as: UTF8.self))=\(String(decoding: field.value, as: UTF8.self))")
      }
      let text = fields.joined(separator: " ")
      said.append(text)
      if known.texts[endsStream] == text {
        session?.meansTheUsual(for: self, endsStream: endsStream)
      } else if known.texts[endsStream] == nil || fields.last?.hasSuffix("=new") == true {
        // From here on this is the usual one.
        known.texts[endsStream] = text
        session?.meansNothing(endsStream: endsStream)
      }
    }
    override func usualHeadersReceived(endsStream: Bool) {
      known.unreadCount += 1
      said.append(known.texts[endsStream] ?? "nobody knows")
    }
    override func dataReceived(_ bytes: UnsafeRawBufferPointer) { said.append("\(bytes.count)") }
    override func closed(_ code: HTTP2ErrorCode) { said.append("closed \(code)") }
  }

  final class End: StreamsDelegate {
    var opened: [HTTP2Stream] = []

    func streamOpened() -> HTTP2Stream? {
      opened.append(HTTP2Stream())
      return opened.last
    }
  }

  /// A client, a server, and what the client should hear.
  final class Conversation {
    let pair = SessionPair(client: End(), server: End())
    let known = Known()
    private(set) var callers: [Caller] = []
    private(set) var expected: [[String]] = []

    init() throws { try pair.exchange() }

    /// Answers are given all at once.
    func answer(_ answers: [(head: [String], size: Int, end: [String])], cut: Bool = false) throws {
      for _ in answers {
        let caller = Caller(known)
        callers.append(caller)
        try pair.client.submitRequest(caller) { headers in
          for (name, value) in [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "x")] {
            Self.append(name, value, to: &headers)
          }
        }
        caller.endBody()
      }
      let bytes = pair.client.output()
      try bytes.withUnsafeBytes { try pair.server.feed($0) }
      for (stream, answer) in zip(pair.ends.server.opened.suffix(answers.count), answers) {
        stream.submitHeaders(Self.list(answer.head), hasBody: true)
        if answer.size > 0 { stream.sendBody([UInt8](repeating: 7, count: answer.size)) }
        stream.endBody(trailers: Self.list(answer.end))
        let body = answer.size > 0 ? ["\(answer.size)"] : []
        expected.append(
          [answer.head.joined(separator: " ")] + body + [answer.end.joined(separator: " "), "closed NO_ERROR"])
      }
      let back = pair.server.output()
      if cut {
        for byte in back { try [byte].withUnsafeBytes { try pair.client.feed($0) } }
      } else {
        try back.withUnsafeBytes { try pair.client.feed($0) }
      }
      try pair.exchange()
    }

    private static func list(_ fields: [String]) -> HeaderList {
      var list = HeaderList()
      for field in fields {
        let parts = field.split(separator: "=", maxSplits: 1)
        append(String(parts[0]), String(parts[1]), to: &list)
      }
      return list
    }

    private static func append(_ name: String, _ value: String, to headers: inout HeaderList) {
      Array(name.utf8).withUnsafeBytes { name in
        Array(value.utf8).withUnsafeBytes { headers.append(name: name, value: $0) }
      }
    }

    func check() {
      #expect(callers.count == expected.count)
      // A body may come in pieces.
      for (caller, expected) in zip(callers, expected) {
        #expect(caller.said.first == expected.first)
        #expect(Array(caller.said.suffix(2)) == Array(expected.suffix(2)))
        let counts = (caller.said.dropFirst().dropLast(2), expected.dropFirst().dropLast(2))
        #expect(counts.0.reduce(0) { $0 + (Int($1) ?? -1) } == counts.1.reduce(0) { $0 + (Int($1) ?? -1) })
      }
    }
  }

  static let head = [":status=200", "content-type=application/grpc"]
  static let end = ["grpc-status=0"]

  @Test("streams hear of them, and nghttp2 does not read them") func again() throws {
    let conversation = try Conversation()
    for _ in 0..<10 { try conversation.answer([(Self.head, 3, Self.end)]) }
    conversation.check()
    // The first fills HPACK's table, the second shows the bytes, and that they mean what is known.
    #expect(conversation.known.unreadCount == 2 * 8)
    #expect(conversation.pair.client.answers.repetitionCount == 2 * 8)
  }

  @Test("many of them may come at once") func together() throws {
    let conversation = try Conversation()
    for _ in 0..<4 { try conversation.answer(Array(repeating: (Self.head, 3, Self.end), count: 20)) }
    conversation.check()
    #expect(conversation.known.unreadCount == 2 * 2 * 20)
  }

  @Test("a length is held to") func contentLength() throws {
    let conversation = try Conversation()
    let head = Self.head + ["content-length=3"]
    for _ in 0..<5 { try conversation.answer([(head, 3, Self.end)]) }
    conversation.check()
    #expect(conversation.known.unreadCount == 3, "of the ends only")
    try conversation.answer([(head, 4, Self.end)])
    #expect(conversation.callers.last?.said.last == "closed PROTOCOL_ERROR")
  }

  @Test("streams hear what the server says, whatever it says and however it comes", arguments: UInt64(1)...16)
  func mixed(_ seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let conversation = try Conversation()
    var (head, end) = (Self.head, Self.end)
    for step in 0..<200 {
      var answers: [(head: [String], size: Int, end: [String])] = []
      for _ in 0..<Int.random(in: 1...5, using: &random) {
        var (thisHead, thisEnd) = (head, end)
        switch Int.random(in: 0..<12, using: &random) {
        case 0: thisHead.append("x-new=\(step)")
        case 1: thisEnd.append("x-new=\(step)")
        case 2: thisEnd = ["grpc-status=5", "grpc-message=no"]
        case 3: thisHead.append("x-long=" + String(repeating: "l", count: Int.random(in: 100...6000, using: &random)))
        case 4:
          head = Self.head + ["x-\(step)=new"]
          thisHead = head
        case 5:
          end = Self.end + ["y-\(step)=new"]
          thisEnd = end
        default: break
        }
        answers.append((thisHead, Int.random(in: 0...2000, using: &random), thisEnd))
      }
      try conversation.answer(answers, cut: Int.random(in: 0..<6, using: &random) == 0)
    }
    conversation.check()
    #expect(conversation.known.unreadCount > 50)
  }
}
