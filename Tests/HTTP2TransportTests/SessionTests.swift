import Testing

@testable import VoleryHTTP2Session

/// Two sessions back to back, without I/O.
@Suite("HTTP/2 sessions") struct SessionTests {
  final class Stream: HTTP2Stream {
    var closeCode: HTTP2ErrorCode?
    var notSent: String?

    override func closed(_ code: HTTP2ErrorCode) { closeCode = code }
    override func headersNotSent(_ reason: String) {
      notSent = reason
      super.headersNotSent(reason)
    }
  }

  final class End: HTTP2SessionDelegate {
    var opened: [Stream] = []

    func streamOpened() -> HTTP2Stream? {
      let stream = Stream()
      opened.append(stream)
      return stream
    }
    func acceptsAnyValue(of name: UnsafeRawBufferPointer) -> Bool { false }
    func settingsReceived() {}
    func settingsAcknowledged() {}
    func pingReceived(_ opaque: UInt64, isAnswer: Bool) {}
    func goAwayReceived(_ code: HTTP2ErrorCode, lastStreamID: Int32, debugData: String) {}
  }

  final class Pair {
    let ends = (client: End(), server: End())
    let client: HTTP2Session
    let server: HTTP2Session

    init() {
      client = HTTP2Session(role: .client, settings: HTTP2Settings(), delegate: ends.client)
      server = HTTP2Session(role: .server, settings: HTTP2Settings(), delegate: ends.server)
    }

    /// Carries bytes to and fro until neither end has any.
    func exchange() throws {
      var isQuiet = false
      while !isQuiet {
        let (forth, back) = (try carry(client, server), try carry(server, client))
        isQuiet = !forth && !back
      }
    }

    private func carry(_ from: HTTP2Session, _ to: HTTP2Session) throws -> Bool {
      let bytes = Pair.output(of: from)
      try bytes.withUnsafeBytes { try to.feed($0) }
      return !bytes.isEmpty
    }

    /// - Parameter limit: About so many bytes; the rest stays.
    static func output(of from: HTTP2Session, limit: Int = .max) -> [UInt8] {
      var bytes: [UInt8] = []
      while bytes.count < limit,
        from.pull(
          limit: 1 << 16,
          { pieces in
            for piece in pieces { bytes += piece }
            return pieces.reduce(0) { $0 + $1.count }
          })
      {}
      return bytes
    }
  }

  /// A request whose body is to come, on stream 1.
  private static func request(_ pair: Pair) throws -> Stream {
    let stream = Stream()
    try pair.client.submitRequest(stream, hasBody: true) { headers in
      headers.append(":method", "POST")
      headers.append(":scheme", "http")
      headers.append(":path", "/")
      headers.append(":authority", "x")
    }
    try pair.exchange()
    return stream
  }

  @Test(
    "DATA behind a RST_STREAM resets the stream as closed, wherever the bytes between them are cut (RFC 9113, 5.1)",
    arguments: 0...22)
  func cutReset(_ place: Int) throws {
    let pair = Pair()
    try pair.exchange()
    let stream = try Self.request(pair)
    let bytes: [UInt8] = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8] + [0, 0, 1, 0, 0, 0, 0, 0, 1, 7]
    try bytes[..<place].withUnsafeBytes { try pair.server.feed($0) }
    try bytes[place...].withUnsafeBytes { try pair.server.feed($0) }
    #expect(Pair.output(of: pair.server) == [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 5])
    withExtendedLifetime(stream) {}
  }

  @Test("trailers that nghttp2 drops after they were queued end their stream") func droppedTrailers() throws {
    let pair = Pair()
    try pair.exchange()
    let stream = Stream()
    try pair.client.submitRequest(stream, hasBody: false) { headers in
      headers.append(":method", "POST")
      headers.append(":scheme", "http")
      headers.append(":path", "/")
      headers.append(":authority", "x")
    }
    try pair.exchange()
    let opened = try #require(pair.ends.server.opened.first)
    var headers = HeaderList()
    headers.append(":status", "200")
    opened.submitHeaders(headers, hasBody: true)
    var trailers = HeaderList()
    trailers.append("x-large", String(repeating: "a", count: HTTP2Settings.largestHeaderList + 8192))
    opened.endBody(trailers: trailers)
    try pair.exchange()
    #expect(opened.notSent != nil)
    #expect(opened.closeCode == .internalError)
    #expect(stream.closeCode == .internalError, "it does not wait for trailers that never come")
  }
}
