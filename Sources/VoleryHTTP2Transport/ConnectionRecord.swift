import VoleryHTTP2Session
package import VoleryTypes

/// What a connection remembers for those who ask how it stands, and for nothing else.
struct ConnectionRecord {
  /// Pings that asked whether the peer is still there.
  var keepalivesSent = 0
  /// The last one's code.
  var receivedGoAway: UInt32?
}

extension HTTP2Connection {
  /// How it stands now.
  package var figures: ConnectionFigures {
    var figures = ConnectionFigures()
    figures.keepalivesSent = record.keepalivesSent
    figures.receivedGoAway = record.receivedGoAway
    figures.sendWindow = max(0, session.sendWindow)
    figures.receiveWindow = max(0, session.receiveWindow)
    figures.peerMaxConcurrentStreams = session.peerMaxConcurrentStreams
    figures.localCertificate = security?.localCertificate
    return figures
  }
}
