package import VoleryEventLoops
package import VoleryHTTP2Session
import VoleryPlatform
package import VoleryTypes

/// A socket with an HTTP/2 session on it, one end of a gRPC connection: what both sides have in common. Everything runs
/// on the connection's loop; a turn reads, feeds the session, runs the calls that this woke, and writes once.
///
/// More than 15 stored properties: what it is made of, and a flag for each thing that it does once.
package class HTTP2Connection: SocketDelegate, TurnFlushing, HTTP2SessionDelegate {  // Isolation: loop
  package let loop: EventLoop
  /// Complete once the handshake is over, before the first stream opens and before others hear of the connection.
  @exclusivity(unchecked) package private(set) var peer: Peer
  let socket: Socket
  @exclusivity(unchecked) private(set) var session: HTTP2Session!
  let security: (any TransportSecurity)?
  @exclusivity(unchecked) private var isSecurityEstablished = false
  @exclusivity(unchecked) private var hasReceivedBytes = false
  @exclusivity(unchecked) package final var isMarkedDirty = false
  @exclusivity(unchecked) private(set) var isOver = false
  /// Among `RestingConnections`; negative: it is not there.
  @exclusivity(unchecked) var awakeIndex = -1
  /// Streams that there had been when it was last looked at.
  private var streamsSeen = 0
  /// Why the connection ends, once everything that waits is written.
  @exclusivity(unchecked) private var endReason: String?
  @exclusivity(unchecked) private var isEnding = false
  @exclusivity(unchecked) var buffers: BufferAccount
  /// Too much waited when these bytes came: the calls that they begin are not taken.
  @exclusivity(unchecked) var refusesCalls = false
  /// For those who ask how it stands.
  @exclusivity(unchecked) var record = ConnectionRecord()
  /// What a stream's peer may send before somebody reads, as a rule.
  let usualStreamWindow: UInt32

  /// The most bytes that are pulled before the kernel has taken them.
  private static let writeLimit = 512 << 10

  init(
    socket: Socket, role: HTTP2Session.Role, settings: HTTP2Settings, buffers: BufferLimits,
    security: (any TransportSecurity)?
  ) {
    self.buffers = BufferAccount(buffers)
    usualStreamWindow = settings.streamWindowByteCount
    self.loop = socket.loop
    self.socket = socket
    self.security = security
    let remote = socket.remoteAddress.map(SocketAddress.init) ?? .unix("")
    self.peer = Peer(address: remote, localAddress: socket.localAddress.map(SocketAddress.init))
    session = HTTP2Session(
      role: role, settings: settings, delegate: self, memory: loop.local { HTTP2Memory() }, gathersPayloads: true)
    security?.borrows(from: loop.local { LentBuffer() })
  }

  deinit {
    // The session gives memory back to its loop's lists, which only that loop may touch.
    guard !loop.isCurrent, let session else { return }
    let last = LastReference(session)
    loop.execute { withExtendedLifetime(last) {} }
  }

  private struct LastReference: @unchecked Sendable {  // Isolation: handed over
    let session: HTTP2Session
    init(_ session: HTTP2Session) { self.session = session }
  }

  func start() {
    socket.delegate = self
    socket.startReading()
    setNeedsFlush()
  }

  // MARK: Hooks for the two sides

  package func streamOpened() -> HTTP2Stream? { nil }
  /// A status message that was not percent-encoded: the status beside it matters more than how it is written.
  package func acceptsAnyValue(of name: UnsafeRawBufferPointer) -> Bool { name.equals("grpc-message") }
  package func settingsReceived() {}
  package func pingReceived(_ opaque: UInt64, isAnswer: Bool) {}
  package func goAwayReceived(_ code: HTTP2ErrorCode, lastStreamID: Int32, debugData: String) {
    record.receivedGoAway = code.rawValue
  }
  /// The connection is closed; `error` nil where it had ended as it should.
  func ended(error: String?) {}
  /// Bytes came in, whatever they say.
  func bytesReceived() {}
  /// What there was to say has been said. Returns whether there is more now.
  func turnEnded() -> Bool { false }
  /// Less is queued than half of what makes a peer one that is behind.
  func peerCaughtUp() {}
  /// TLS is established; `peer` says who is there.
  func handshakeDone() {}
  /// The first bytes of a connection without TLS are those of TLS.
  var reasonForTLSBytes: String { "the peer speaks TLS to a plaintext port" }

  // MARK: Reading

  package func received(_ bytes: UnsafeRawBufferPointer) {
    guard !isEnding else { return }
    refusesCalls = isFull
    bytesReceived()
    do {
      if let security {
        try security.receive(bytes) { plain in
          if !isSecurityEstablished { noteHandshake(security) }
          if !isEnding { feed(plain) }
        }
        if !isSecurityEstablished { noteHandshake(security) }
        if security.hasReceivedClose { end("the peer closed the connection") }
      } else {
        if !hasReceivedBytes { noteFirstBytes(bytes) }
        feed(bytes)
      }
    } catch {
      end("\(error)")
    }
    setNeedsFlush()
  }

  private func noteHandshake(_ security: any TransportSecurity) {
    guard let established = security.connectionSecurity else { return }
    isSecurityEstablished = true
    peer = Peer(address: peer.address, localAddress: peer.localAddress, security: established)
    handshakeDone()
  }

  /// A record of TLS (RFC 8446, 5.1) where HTTP/2 should be: says so, instead of what HTTP/2 makes of it.
  private func noteFirstBytes(_ bytes: UnsafeRawBufferPointer) {
    hasReceivedBytes = true
    if bytes.count >= 3, bytes[0] == 0x15 || bytes[0] == 0x16, bytes[1] == 3, bytes[2] <= 4 { end(reasonForTLSBytes) }
  }

  private func feed(_ bytes: UnsafeRawBufferPointer) {
    do throws(HTTP2Failure) {
      try session.feed(bytes)
    } catch {
      session.terminate(.protocolError)
      end(error.description)
    }
  }

  package func receivedEnd() {
    end(security?.endReason ?? "the peer closed the connection")
    flush()
  }

  package func failed(_ error: SocketError) { finish(error.description) }

  // MARK: Writing

  /// Sees to it that what the session has to say is written at the end of this turn.
  @inline(__always)
  final func setNeedsFlush() { if !isMarkedDirty { loop.afterTurn(self) } }

  package func flush() {
    guard !isOver else { return }
    repeat {
      var hasMore = true
      while hasMore, socket.isWritable {
        hasMore = pull()
      }
    } while turnEnded()
    if session.isInUse, awakeIndex < 0 { RestingConnections.of(loop).add(self) }
    checkBuffers()
    guard socket.waitingByteCount == 0 else { return }
    if isEnding {
      finish(endReason)
    } else if session.isFinished {
      finish(nil)
    }
  }

  private func pull() -> Bool {
    guard let security else { return session.pull(limit: HTTP2Connection.writeLimit) { socket.writeSome($0) } }
    // What is made of records already goes first.
    var hasMore = security.hasOutgoing
    var failure: (any Error)?
    if !hasMore, security.isEstablished {
      hasMore = session.pull(limit: HTTP2Connection.writeLimit) { pieces in
        do { try security.send(pieces) } catch { failure = error }
        return pieces.reduce(0) { $0 + $1.count }
      }
    }
    security.giveOutgoing { socket.writeSome($0) }
    if let failure { end("\(failure)") }
    return hasMore && failure == nil
  }

  /// The peer takes nothing of what is written: it may be a while until it hears of anything.
  var isBlocked: Bool { socket.waitingByteCount > 0 }

  package func writesDrained() { setNeedsFlush() }

  /// Looks whether there was a call since the last time; where not, the session rests, and true is returned.
  func hasRested() -> Bool {
    guard session.streams.isEmpty, session.openedStreamCount == streamsSeen else {
      streamsSeen = session.openedStreamCount
      return false
    }
    session.rest()
    return true
  }

  // MARK: Ending

  /// Ends the connection once what it has to say (a GOAWAY) is written.
  func end(_ reason: String?) {
    guard !isEnding else { return }
    isEnding = true
    endReason = reason
    socket.stopReading()
    setNeedsFlush()
  }

  /// Ends the connection now.
  func finish(_ reason: String?) {
    guard !isOver else { return }
    isOver = true
    if let security, security.isEstablished {
      security.close()
      security.giveOutgoing { socket.writeSome($0) }
    }
    socket.close()
    let streams = session.streams
    session.abandonStreams()
    releaseBuffers()
    RestingConnections.of(loop).remove(self)
    for stream in streams {
      (stream as? any ConnectionBoundStream)?.connectionLost(reason ?? "the connection was closed")
    }
    ended(error: reason)
  }
}

/// A stream that has to hear of its connection's end.
protocol ConnectionBoundStream: HTTP2Stream {
  func connectionLost(_ reason: String)
}

extension SocketAddress {
  package init(_ destination: SocketDestination) {
    switch destination {
    case .tcp(let host, let port): self = .tcp(host, port)
    case .unix(let path): self = .unix(path)
    case .unixAbstract(let name): self = .unixAbstract(name)
    }
  }
}

extension SocketDestination {
  /// Nil for addresses that are no sockets.
  init?(_ address: SocketAddress) {
    switch address {
    case .tcp(let host, let port): self = .tcp(host: host, port: port)
    case .unix(let path): self = .unix(path: path)
    case .unixAbstract(let name): self = .unixAbstract(name: name)
    case .inProcess: return nil
    }
  }
}
