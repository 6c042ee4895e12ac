package import VoleryHTTP2Session

/// What a server does with its connections (gRFC A8, A9).
package struct ServerConnectionOptions: Sendable {
  package var http2 = HTTP2Settings()
  /// Shared by all connections of a server.
  package var buffers = BufferLimits()
  /// SETTINGS_MAX_CONCURRENT_STREAMS.
  package var maxConcurrentStreams: UInt32 {
    get { http2.maxConcurrentStreams }
    set { http2.maxConcurrentStreams = newValue }
  }
  /// SETTINGS_MAX_HEADER_LIST_SIZE: 0 to 16 MiB.
  package var maxMetadataBytes: Int {
    get { http2.maxHeaderListByteCount }
    set { http2.maxHeaderListByteCount = newValue }
  }
  /// A connection this old is drained, ±10 %, so that clients that look for servers only when they lose one find new
  /// ones. Nil: never.
  package var maxAge: Duration? = .seconds(300)
  /// How long calls may go on after `maxAge`; nil: as long as they want.
  package var maxAgeGrace: Duration?
  /// A connection without a call for this long is drained; nil: never.
  package var maxIdle: Duration?
  /// After this long without a byte from the client, a ping asks whether it is still there.
  package var keepaliveTime: Duration = .seconds(7200)
  package var keepaliveTimeout: Duration = .seconds(20)
  /// A client that pings more often than this is cut off after two strikes; without calls, more often than 2 hours.
  package var minPingInterval: Duration = .seconds(300)
  package var permitsPingsWithoutCalls = false
  /// Streams of a connection that may be reset beyond what its calls that end well pay for (`StreamResetLimit`).
  package var maxStreamResets = 1000
  /// The TLS handshake, the HTTP/2 preface and the client's SETTINGS have to come within this.
  package var handshakeTimeout: Duration = .seconds(20)

  package init() {}
}
