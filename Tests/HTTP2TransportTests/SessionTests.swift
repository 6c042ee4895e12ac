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

  final class End: StreamsDelegate {
    var opened: [Stream] = []

    func streamOpened() -> HTTP2Stream? {
      let stream = Stream()
      opened.append(stream)
      return stream
    }
  }

  private static func pair() -> SessionPair<End> { SessionPair(client: End(), server: End()) }

  /// A request whose body is to come, on stream 1.
  private static func request(_ pair: SessionPair<End>) throws -> Stream {
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
    let pair = Self.pair()
    try pair.exchange()
    let stream = try Self.request(pair)
    let bytes: [UInt8] = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8] + [0, 0, 1, 0, 0, 0, 0, 0, 1, 7]
    try bytes[..<place].withUnsafeBytes { try pair.server.feed($0) }
    try bytes[place...].withUnsafeBytes { try pair.server.feed($0) }
    #expect(pair.server.output() == [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 5])
    withExtendedLifetime(stream) {}
  }

  @Test("trailers that nghttp2 drops after they were queued end their stream") func droppedTrailers() throws {
    let pair = Self.pair()
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
