import Testing
import VoleryPlatform

@testable import VoleryHTTP2Session

/// Many sessions that work in one memory, as those of a loop do: what one has begun must not be another's.
@Suite("Sessions that share their memory") struct SharedMemoryTests {
  private final class Stream: HTTP2Stream {
    var received: [UInt8] = []
    var header = ""

    override func headersReceived(_ block: borrowing HeaderBlock, endsStream: Bool) {
      var offset = 0
      while let field = block.next(&offset) {
        if field.name.elementsEqual("x-text".utf8) { header = String(decoding: field.value, as: UTF8.self) }
      }
    }
    /// Of a server: the answer is a status alone.
    var answers = false
    override func endReceived() {
      guard answers else { return }
      var headers = HeaderList()
      headers.append(":status", "200")
      submitHeaders(headers, hasBody: false)
    }
    override func dataReceived(_ bytes: UnsafeRawBufferPointer) {
      received += bytes
      consume(bytes.count)
    }
  }

  private final class End: StreamsDelegate {
    var opened: [Stream] = []
    func streamOpened() -> HTTP2Stream? {
      let stream = Stream()
      stream.answers = true
      opened.append(stream)
      return stream
    }
  }

  private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ (state >> 29)
    }
  }

  private final class Pair {
    let ends = (client: End(), server: End())
    let client: HTTP2Session
    let server: HTTP2Session
    var sent: [(header: String, body: [UInt8])] = []
    private var streams: [Stream] = []

    init(_ memory: HTTP2Memory) {
      var settings = HTTP2Settings()
      settings.maxHeaderListByteCount = 256 << 10
      client = HTTP2Session(
        role: .client, settings: settings, delegate: ends.client, memory: memory, gathersPayloads: true)
      server = HTTP2Session(
        role: .server, settings: settings, delegate: ends.server, memory: memory, gathersPayloads: true)
    }

    /// A request, and an answer to one that has come, with bodies of all sizes.
    func say(_ random: inout Seeded) throws {
      let header = String(repeating: "h", count: Int.random(in: 0..<40_000, using: &random))
      let letter = UInt8.random(in: 1...255, using: &random)
      let chunks = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        [UInt8](repeating: letter, count: Int.random(in: 1..<60_000, using: &random))
      }
      let stream = Stream()
      streams.append(stream)
      try client.submitRequest(stream, hasBody: true) { headers in
        headers.append(":method", "POST")
        headers.append(":scheme", "http")
        headers.append(":path", "/")
        headers.append(":authority", "x")
        headers.append("x-text", header)
      }
      for chunk in chunks { stream.sendBody(chunk) }
      stream.endBody()
      sent.append((header, chunks.flatMap { $0 }))
    }

    /// Some of what one end has to say, in pieces of any size. Returns whether there was anything.
    func carry(_ from: HTTP2Session, _ to: HTTP2Session, _ random: inout Seeded) throws -> Bool {
      var bytes: [UInt8] = []
      var taken = Int.random(in: 1..<30_000, using: &random)
      _ = from.pull(limit: Int.random(in: 1..<40_000, using: &random)) { pieces in
        for piece in pieces { bytes += piece.prefix(taken - bytes.count) }
        taken = bytes.count
        return taken
      }
      try bytes.withUnsafeBytes { try to.feed($0) }
      return !bytes.isEmpty
    }
  }

  @Test("each gets what was sent to it, however their turns are mixed, and however little is taken", arguments: 1...5)
  func mixed(_ seed: UInt64) throws {
    var random = Seeded(state: seed)
    let memory = HTTP2Memory()
    let pairs = (0..<6).map { _ in Pair(memory) }
    for _ in 0..<60 {
      try pairs.randomElement(using: &random)!.say(&random)
      for pair in pairs {
        _ = try pair.carry(pair.client, pair.server, &random)
        _ = try pair.carry(pair.server, pair.client, &random)
        // With streams that are open it does nothing.
        if Bool.random(using: &random) { pair.server.rest() }
      }
    }
    var isQuiet = false
    while !isQuiet {
      isQuiet = true
      for pair in pairs {
        if try pair.carry(pair.client, pair.server, &random) { isQuiet = false }
        if try pair.carry(pair.server, pair.client, &random) { isQuiet = false }
      }
    }
    for pair in pairs {
      try #require(pair.ends.server.opened.count == pair.sent.count)
      for (stream, sent) in zip(pair.ends.server.opened, pair.sent) {
        #expect(stream.header == sent.header)
        #expect(stream.received == sent.body)
      }
    }
  }

  @Test("a session that ends takes nothing from those that go on") func ends() throws {
    var random = Seeded(state: 7)
    let memory = HTTP2Memory()
    let staying = Pair(memory)
    for _ in 0..<50 {
      let leaving = Pair(memory)
      try leaving.say(&random)
      for _ in 0..<4 { _ = try leaving.carry(leaving.client, leaving.server, &random) }
      try staying.say(&random)
      var isQuiet = false
      while !isQuiet {
        let forth = try staying.carry(staying.client, staying.server, &random)
        let back = try staying.carry(staying.server, staying.client, &random)
        isQuiet = !forth && !back
      }
      #expect(staying.server.streams.isEmpty && staying.client.streams.isEmpty)
      staying.server.rest()
      staying.client.rest()
      #expect(!staying.server.isInUse)
    }
    for (stream, sent) in zip(staying.ends.server.opened, staying.sent) {
      #expect(stream.header == sent.header && stream.received == sent.body)
    }
  }
}

@Suite("Pages that nobody has written to") struct UntouchedPagesTests {
  /// Of these pages, how many have memory.
  private static func resident(_ pages: [UnsafeMutableRawPointer]) -> Int {
    pages.count { page in
      var state: UInt8 = 0
      return mincore(page, UntouchedPages.pageByteCount, &state) == 0 && state & 1 == 1
    }
  }

  @Test(
    "are zero, have zeros in front of them, take memory once they are written to, and are as at first when they come back"
  )
  func pages() {
    let pages = UntouchedPages()
    let taken = (0..<600).compactMap { _ in pages.take() }
    #expect(Set(taken).count == 600)
    #expect(Self.resident(taken) == 0)
    for page in taken {
      #expect(page.load(as: UInt64.self) == 0 && (page - 16).load(as: UInt64.self) == 0)
      memset(page, 7, UntouchedPages.pageByteCount)
      #expect(pages.contains(page) && pages.contains(page + UntouchedPages.pageByteCount - 1))
    }
    #expect(Self.resident(taken) == 600)
    for page in taken { pages.giveBack(page) }
    #expect(Self.resident(taken) == 0)
    let again = (0..<600).compactMap { _ in pages.take() }
    #expect(Set(again) == Set(taken), "they are handed out again")
    #expect(again.allSatisfy { $0.load(fromByteOffset: 512, as: UInt64.self) == 0 })
    let other = malloc(16)!
    #expect(!pages.contains(other))
    free(other)
  }
}
