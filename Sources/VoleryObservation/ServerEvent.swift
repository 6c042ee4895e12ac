public import VoleryTypes

/// A server, as its observers see it.
public final class ObservedServer: Sendable {
  /// Unlike that of any other server of this process.
  public let id: Int

  package init() { id = ObservedID.next() }
}

/// What happens to a server beside its calls.
public enum ServerEvent: Sendable {
  /// It listens there.
  case listening([SocketAddress])
  /// A connection has come that did not come to its first call: too many, a failed handshake, not HTTP/2.
  case connectionRefused(SocketAddress?, reason: String)
  /// A client is connected, by a socket or within the process; with TLS, its handshake is done.
  case connectionOpened(id: Int, Peer)
  /// A connection is gone, so long after it was opened; the reason is nil where it has ended as it should.
  ///
  /// - Parameter streams: Calls that were opened on it.
  case connectionClosed(id: Int, Peer, reason: String?, streams: Int, after: Duration)
  /// It is about to stop, with so many calls under way.
  case draining(calls: Int)
  /// Nothing listens any more, and what still ran was cancelled.
  case stopped
}
