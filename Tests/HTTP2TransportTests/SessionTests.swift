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
      var bytes: [UInt8] = []
      while from.pull(
        limit: 1 << 16,
        { pieces in
          for piece in pieces { bytes += piece }
          return pieces.reduce(0) { $0 + $1.count }
        })
      {}
      try bytes.withUnsafeBytes { try to.feed($0) }
      return !bytes.isEmpty
    }
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
