package import VoleryTypes

/// An established connection to one server, the client's side.
package protocol ClientConnection: AnyObject, Sendable {
  var transportLoop: any TransportLoop { get }
  var peer: Peer { get }

  /// How many streams the server allows at once; on the loop only.
  var maxConcurrentStreams: Int { get }

  /// Opens a stream for a call attempt; on the loop only. Above the peer's MAX_CONCURRENT_STREAMS it is queued, first in
  /// first out, until a stream ends. On a connection that is going away or gone, `handler.closed` is called (in a later
  /// turn, never from inside this function) with `neverSent`, and the call picks again.
  func openStream(_ head: consuming ClientRequestHead, handler: any ClientStreamHandler) -> any ClientStream

  /// What it has done for its calls so far; on the loop only.
  var tally: ConnectionTally { get }

  /// Has `connectionNearsEnd` told once so many streams were opened, with `expected`. Any thread.
  func announceEnd(afterStreams count: Int)

  /// Answers with how it stands, on its loop, or at once; with nil where there is nothing to say. Any thread.
  func readFigures(_ answer: @escaping @Sendable (ConnectionFigures?) -> Void)

  /// Opens no more streams, lets those that run finish, then closes. Any thread.
  func drain()

  /// Closes at once: streams end with UNAVAILABLE and this reason. Any thread.
  func close(reason: String)
}

extension ClientConnection {
  package func readFigures(_ answer: @escaping @Sendable (ConnectionFigures?) -> Void) { answer(nil) }
}

/// What happens to a connection, told on the connection's loop, in the order
///
///     (ready [capacityChanged | nearsEnd]* [draining] closed) | closed
package protocol ClientConnectionObserver: AnyObject, Sendable {
  /// The peer's SETTINGS are here: streams may be opened.
  func connectionReady(_ connection: any ClientConnection)

  /// The number of streams that may run at once has changed, or the number that run or wait has (for a second
  /// connection, gRFC A105). Told only when crossing between "has room" and "is full".
  func connectionCapacityChanged(_ connection: any ClientConnection, hasRoom: Bool)

  /// It still takes streams, but not for ever: it is time for the next connection.
  func connectionNearsEnd(_ connection: any ClientConnection, cause: NearEnd)

  /// No new streams, those that run may finish.
  func connectionDraining(_ connection: any ClientConnection, cause: DrainCause, reason: String)

  /// The end. `error` says in words what happened ("connection refused", "the peer closed the connection before its
  /// SETTINGS", "keepalive ping not answered within 20 s"); nil when this end had asked for it.
  func connectionClosed(error: String?)
}

/// What a connection has done for its calls.
package struct ConnectionTally: Hashable, Sendable {
  /// Streams that were opened.
  package var opened = 0
  /// Those of them that a server that ends the connection has taken (up to its GOAWAY's last stream id); all before that.
  package var taken = 0
  /// Those that the server has answered itself: with response headers, or a status other than UNAVAILABLE.
  package var served = 0
  /// Calls that are open, taken and not answered.
  package var underWay = 0

  package init(opened: Int = 0, taken: Int = 0, served: Int = 0, underWay: Int = 0) {
    self.opened = opened
    self.taken = taken
    self.served = served
    self.underWay = underWay
  }
}

/// How a connection is known to come to its end soon.
package enum NearEnd: Sendable {
  /// Three quarters of its stream ids are used (gRFC A105): it has to be replaced.
  case streamIDs
  /// It has carried as many streams as `announceEnd` has said.
  case expected
}

/// Why a connection takes no more streams.
package enum DrainCause: Sendable {
  /// The server said goodbye (GOAWAY): it is about to stop, as a rule.
  case goodbye
  /// A fresh connection is wanted, and the server is there for it: GOAWAY because of the connection's age (gRFC A9), or its
  /// stream ids are used up.
  case renewal
  /// The server does not answer.
  case silence
}

/// A connection that is being made (a dial), or has been made of it.
package protocol Dial: AnyObject, Sendable {
  /// Gives up, or closes what came of it; the observer hears nothing more. Any thread.
  func cancel()
}

/// Opens connections to addresses of the kinds it knows.
package protocol ClientConnector: Sendable {
  /// Dials: TCP or unix connect, TLS where the connector has it, HTTP/2 preface and the peer's first
  /// SETTINGS, all within `timeout`. Returns at once; any thread.
  func connect(
    to address: SocketAddress, authority: String, serverName: String?, timeout: Duration,
    observer: any ClientConnectionObserver
  ) -> any Dial
}
