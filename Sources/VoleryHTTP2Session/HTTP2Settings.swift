/// What this end announces and enforces.
package struct HTTP2Settings: Sendable {
  /// SETTINGS_MAX_CONCURRENT_STREAMS of a server.
  package var maxConcurrentStreams: UInt32 = 1000
  /// A stream's receive window: what a peer may send before somebody reads, so the bound on a stream's memory.
  package var streamWindowByteCount: UInt32 = 512 << 10
  /// The most bytes of a header block that is received, by RFC 9113's count of name + value + 32; a larger one ends its
  /// stream, no more. At most `largestHeaderList`.
  package var maxHeaderListByteCount = 16 << 10 {
    didSet { maxHeaderListByteCount = min(max(maxHeaderListByteCount, 0), HTTP2Settings.largestHeaderList) }
  }
  /// The connection's receive window: so large that no peer ever waits for it. What streams may hold is bounded by their
  /// own windows, and the connection's credit is given back as bytes arrive, whoever reads them; a small one bounds
  /// nothing but what is under way. And credit for the connection travels behind whatever this end is sending: a proxy
  /// that stops reading on both its sides until one of them may write waits for ever (see Docs/Performance.md).
  ///
  /// Credit is given back by halves: half of it is more than the streams of `maxConcurrentStreams` may have under way.
  package var connectionWindowByteCount: UInt32 = 1 << 30
  /// Answers to PING and SETTINGS that may wait to be sent; a peer that asks faster than it reads is cut off.
  package var maxUnsentAnswers = 1000
  /// The id of a client's first stream; odd. For tests of what happens near the end of the ids.
  package var firstStreamID: Int32 = 1

  /// A header block that is sent is never larger, whatever the peer says that it takes.
  package static let largestHeaderList = 16 << 20

  package init() {}
}
