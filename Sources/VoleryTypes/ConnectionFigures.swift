/// How a connection of HTTP/2 stands at a moment.
public struct ConnectionFigures: Hashable, Sendable {
  /// Pings that asked whether the peer is still there.
  public package(set) var keepalivesSent = 0
  /// Bytes that this end may send before the peer gives it more room: the connection's own window, not that of a stream. Negative
  /// never.
  public package(set) var sendWindow = 0
  /// Bytes that the peer may send before this end gives it more room.
  public package(set) var receiveWindow = 0
  /// Streams that the peer allows this end at once; `UInt32.max` where it has not said.
  public package(set) var peerMaxConcurrentStreams: UInt32 = .max
  /// The code of the GOAWAY that the peer has sent (RFC 9113, 7); nil: none.
  public package(set) var receivedGoAway: UInt32?
  /// The certificate that this end has shown, in DER; nil without TLS, or without one.
  public package(set) var localCertificate: [UInt8]?

  package init() {}
}
